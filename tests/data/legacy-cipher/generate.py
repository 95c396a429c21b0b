#!/usr/bin/env python3
"""Makes cases.json: data as the old daemon's cipher helper wrote it (pip install pycryptodome)."""

import base64
import binascii
import json
import random

from Crypto.Cipher import AES, Blowfish
from Crypto.Util.Padding import pad

random.seed(20261124)


def key_bytes(text):
    """The old helper's reading of a key: lenient base64, else hex, else UTF-8."""
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        pass
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError):
        return text.encode("utf-8")


def sized(cipher, key):
    """The old helper's way to a key of a length that the cipher takes."""
    if cipher == "Blowfish":
        return key[:56].ljust(4, b"\0")
    if len(key) <= 16:
        return key.ljust(16, b"\0")
    if len(key) <= 24:
        return key.ljust(24, b"\0")
    # 25 to 31 bytes were an error; zero padding is what the contract makes of them.
    return key[:32].ljust(32, b"\0")


def encrypt(cipher, key, plaintext):
    module = Blowfish if cipher == "Blowfish" else AES
    iv = random.randbytes(module.block_size)
    encryptor = module.new(sized(cipher, key), module.MODE_CBC, iv)
    return iv + encryptor.encrypt(pad(plaintext, module.block_size))


KEYS = {
    "text that is no base64": "my secret key",
    "text that happens to be base64": "password",
    "text that is base64 once other characters are dropped": "pass-word!",
    "base64 with padding": base64.b64encode(bytes(range(16))).decode(),
    "base64 of 32 bytes": base64.b64encode(bytes(range(32))).decode(),
    "base64 with line breaks": base64.encodebytes(bytes(range(48))).decode(),
    "hex whose length is a multiple of four, so it is taken as base64": bytes(range(16)).hex(),
    "hex whose length is not": bytes(range(17)).hex(),
    "odd number of hex digits": "abc",
    "umlauts": "schl\u00fcssel f\u00fcr alle",
    "short": "k",
    "61 characters": "k." * 30 + "k",
    "27 characters": "abcdefghijklmnopqrstuvwxyz.",
    "empty after filtering": "....",
}
PLAINTEXTS = [b"", b"Hello", b"exactly 16 bytes", b"exactly8", "\u00e4\u00f6\u00fc \u263a".encode(), bytes(range(256)), b"x" * 1000]

cases = []
for what, text in KEYS.items():
    key = key_bytes(text)
    for cipher in ("Blowfish", "AES", "Rijndael"):
        for plaintext in random.sample(PLAINTEXTS, 3):
            cases.append({
                "what": what,
                "cipher": cipher,
                "key": text,
                "plaintext_hex": plaintext.hex(),
                "ciphertext_hex": encrypt(cipher, key, plaintext).hex(),
            })

with open("cases.json", "w", encoding="ascii") as file:
    json.dump(cases, file, indent=1)
    file.write("\n")
print(len(cases), "cases")
