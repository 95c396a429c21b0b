"""What the old Python daemon did for each call, without its socket: the peer of legacy_cipher.pl. Run by run.sh."""

import json
import sys
import time

from Crypto.Cipher import AES
from Crypto.Random import get_random_bytes
from Crypto.Util.Padding import pad, unpad

KEY = b"a secret of some length\0"


def encrypt(request):
    plaintext = json.loads(request)["plaintext"].encode()
    iv = get_random_bytes(16)
    sealed = AES.new(KEY, AES.MODE_CBC, iv).encrypt(pad(plaintext, 16))
    return json.dumps({"encrypted": (iv + sealed).hex()})


def decrypt(request):
    sealed = bytes.fromhex(json.loads(request)["hex_ciphertext"])
    opened = unpad(AES.new(KEY, AES.MODE_CBC, sealed[:16]).decrypt(sealed[16:]), 16)
    return json.dumps({"decrypted_hex": opened.hex()})


def rate(name, each, text, seconds):
    count, begin = 0, time.monotonic()
    while time.monotonic() - begin < seconds or not count:
        hex_text = json.loads(encrypt(json.dumps({"plaintext": text})))["encrypted"]
        json.loads(decrypt(json.dumps({"hex_ciphertext": hex_text})))
        count += each
    print(f"{name}\t{count / (time.monotonic() - begin):.1f}")


SECONDS = float(sys.argv[1])
rate("encrypt and decrypt a short text /s", 1, "Hello from a script that has core Perl only", SECONDS)
rate("encrypt and decrypt 4 MiB, MiB/s", 4, "x" * (4 << 20), SECONDS)
