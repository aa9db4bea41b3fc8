"""From a plain stored value to the JSON that the API server prints, whatever the value holds.

    ObjectDecoder    one key with its value: named, decrypted, decoded
    ValueDecoder     one plain value: its encoding, its JSON, and what is wrong with it

An unknown type is shown by its fields' numbers, with its metadata decoded; damage is labelled; nothing is raised.
"""

from backstay.kube.decode.item import ObjectDecoder
from backstay.kube.decode.value import Decoded, ValueDecoder

__all__ = ["Decoded", "ObjectDecoder", "ValueDecoder"]
