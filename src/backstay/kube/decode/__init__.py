"""From a plain stored value to the JSON that the API server prints, whatever the value holds.

    decode_value     one value: encoding, JSON, and what is wrong with it
    decode_item      one key with its value: named, decrypted, decoded

An unknown type is shown by its fields' numbers, with its metadata decoded; damage is labelled; nothing is raised.
"""

from backstay.kube.decode.value import Decoded, ValueDecoder

__all__ = ["Decoded", "ValueDecoder"]
