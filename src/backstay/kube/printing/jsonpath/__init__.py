"""JSONPath as `kubectl` speaks it: templates with braces, ranges, filters, unions, slices and quoted text.

{.metadata.name}                           a field
{.items[*].spec.nodeName}                  every element
{.items[?(@.status.phase=="Running")]}     those that fit
{.spec.containers[0:2].image}              a slice
{range .items[*]}{.metadata.name}{"\\n"}{end}
{..image}                                  wherever it is
{.metadata.labels['app\\.kubernetes\\.io/name']}
"""

from backstay.kube.printing.jsonpath.reading import read_template, relaxed
from backstay.kube.printing.jsonpath.template import Template, go_text, value_text

__all__ = ["Template", "go_text", "read_template", "relaxed", "value_text"]
