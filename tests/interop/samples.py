"""Platforms without a package for this: their documentation's own sample, with the primitives of `cryptography`.

Each function takes a line and the time and gives what the token says, or raises.
"""

import base64
import hashlib
import hmac
import json
import struct

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def must(value, why):
    if not value:
        raise ValueError(why)
    return value


def from_base64url(text):
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def open_cbc(key, iv, sealed):
    opening = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    padded = opening.update(sealed) + opening.finalize()
    plain = padding.PKCS7(128).unpadder()
    return json.loads((plain.update(padded) + plain.finalize()).decode())


def assembly(line, _now):
    sealed = bytes.fromhex(line["token"])
    key = hmac.digest(line["secret"].encode(), b"", "sha256")[:16]
    claims = open_cbc(key, sealed[:16], sealed[16:])
    must(all(isinstance(value, str) for value in claims.values()), "a value that is no text")
    must(claims["workspaceId"], "no workspace")
    return claims


def ecwid(line, _now):
    sealed = from_base64url(line["token"])
    return open_cbc(line["secret"][:16].encode(), sealed[:16], sealed[16:])


def evp_bytes_to_key(secret, salt):
    """OpenSSL's derivation with MD5 and one round."""
    made = last = b""
    while len(made) < 48:
        last = hashlib.md5(last + secret + salt).digest()
        made += last
    return made[:32], made[32:48]


def highlevel(line, _now):
    sealed = base64.b64decode(line["token"], validate=True)
    must(sealed[:8] == b"Salted__", "no salt")
    key, iv = evp_bytes_to_key(line["secret"].encode(), sealed[8:16])
    return open_cbc(key, iv, sealed[16:])


def generic_gcm(line, now):
    sealed = from_base64url(line["token"])
    claims = json.loads(AESGCM(bytes.fromhex(line["secret_hex"])).decrypt(sealed[:12], sealed[12:], None))
    must(claims["exp"] > now and claims["aud"] == line["params"]["audience"], "not for this app")
    return claims


def intercom_sheets(line, _now):
    sealed = base64.b64decode(line["token"], validate=True)
    key = hashlib.sha256(line["secret"].encode()).digest()
    return json.loads(AESGCM(key).decrypt(sealed[:12], sealed[12:], None))


def zoom(line, now):
    packed = from_base64url(line["token"])
    iv_end = 1 + packed[0]
    aad_end = iv_end + 2 + struct.unpack_from("<H", packed, iv_end)[0]
    length = struct.unpack_from("<i", packed, aad_end)[0]
    sealed = packed[aad_end + 4 :]
    must(length >= 0 and len(sealed) == length + 16, "lengths do not fit")
    key = hashlib.sha256(line["secret"].encode()).digest()
    claims = json.loads(AESGCM(key).decrypt(packed[1:iv_end], sealed, packed[iv_end + 2 : aad_end] or None))
    must(claims["exp"] > now * 1000, "expired")
    # Contexts of 2022 have no audience.
    must(claims.get("aud") in (None, line["params"]["audience"]), "another app")
    return claims


def discord_activity_proxy(line, now):
    headers = line["request"]["headers"]
    payload = base64.b64decode(headers["x-discord-proxy-payload"], validate=True)
    written = headers["x-signature-ed25519"]
    # The documentation's two samples decode the signature in two ways.
    signature = bytes.fromhex(written) if len(written) == 128 else base64.b64decode(written, validate=True)
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(line["public_key"])).verify(signature, payload)
    claims = json.loads(payload)
    must(str(claims["created_at"]) == headers["x-signature-timestamp"], "another time")
    must(claims["expires_at"] > now, "expired")
    return claims


PLATFORMS = {
    "assembly": assembly,
    "discord-activity-proxy": discord_activity_proxy,
    "ecwid": ecwid,
    "generic-aes-256-gcm": generic_gcm,
    "highlevel": highlevel,
    "intercom-sheets": intercom_sheets,
    "zoom": zoom,
}
