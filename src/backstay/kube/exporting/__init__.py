"""Objects made ready for `kubectl apply`: what a server owns is taken out, what comes back by itself is left out.

    left_out(each, surroundings)        why an object is not exported, None when it is
    applicable(each, surroundings)      its JSON as a person would have written it
    stage_of(identity)                  when it has to be applied: namespaces and definitions first, webhooks last

The rules are those of the API server on create, and of restores through it: a new object gets a new uid, so whatever names an
old one would be collected as garbage. Nothing here reads a store or hides secrets.
"""

from backstay.kube.exporting.leaving_out import Left, left_out
from backstay.kube.exporting.order import Stage, sort_key, stage_of
from backstay.kube.exporting.stripping import applicable
from backstay.kube.exporting.surroundings import Surroundings

__all__ = ["Left", "Stage", "Surroundings", "applicable", "left_out", "sort_key", "stage_of"]
