"""Prints vector lines with tokens that the packages for Python made just now: good and spoilt ones."""

import base64
import hashlib
import json
import os
import struct
import warnings
from datetime import datetime, timezone
from urllib.parse import urlencode

import atlassian_jwt
import init_data_py
import jwt
import pyseto
import shopify
import telegram_init_data
from cryptography.hazmat.primitives import padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT
from slack_sdk.signature import SignatureVerifier

from cases import lines

# Keys of tests are shorter than PyJWT likes.
warnings.simplefilter("ignore")

KID = "interop-key"
MAKE = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
PAIRS = {name: [make(), make()] for name, make in MAKE.items()}
RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
PEM = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public(private, form):
    return private.public_key().public_bytes(*form)


def jwk(private):
    return json.loads(JWK.from_pyca(private.public_key()).export_public())


SHOWN = {
    "jwks": lambda private, name: {
        "jwks": {"keys": [{**jwk(private), "kid": KID, "alg": name, "use": "sig"}]},
    },
    "jwk": lambda private, _: {"public_jwk": jwk(private)},
    "pem": lambda private, _: {"public_key": public(private, PEM).decode()},
    "ed25519": lambda private, _: {"public_key": public(private, RAW).hex()},
}


def keys_of(case):
    """The key that a line shows, the one that goes with it, and another of the same kind."""
    kind = case["key"]
    if kind == "secret":
        secret = case["secret"]
        # One letter differs, which every scheme uses.
        other = secret[:15] + ("y" if secret[15] == "x" else "x") + secret[16:]
        return {"secret": secret}, secret, other
    if kind == "hex":
        good, other = os.urandom(32), os.urandom(32)
        return {"secret_hex": good.hex()}, good, other
    name = "EdDSA" if kind == "ed25519" else case["algorithm"] or "RS256"
    good, other = PAIRS[name]
    return SHOWN[kind](good, name), good, other


def with_pyjwt(case):
    headers = {"kid": KID} if case["key"] == "jwks" else None
    return {"token": jwt.encode(case["claims"], case["key_used"], algorithm=case["algorithm"], headers=headers)}


def base64url(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def compact(claims):
    return json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()


def connect(case):
    claims, request = case["claims"], case["request"]
    # The package adds an audience, an end and the hash. An end that the case leaves out is null.
    token = atlassian_jwt.encode_token(
        request["method"], request["url"], claims["iss"], case["key_used"], payload_kwargs={"exp": None, **claims}
    )
    return {"token": token}


def jwe(case):
    token = JWT(header={"alg": "dir", "enc": "A256GCM"}, claims=case["claims"])
    token.make_encrypted_token(JWK(kty="oct", k=base64url(case["key_used"])))
    return {"token": token.serialize()}


def paseto_local(case):
    key = pyseto.Key.new(version=4, purpose="local", key=case["key_used"])
    return {"token": pyseto.encode(key, case["claims"], serializer=json).decode()}


def paseto_public(case):
    private = case["key_used"]
    raw = (serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    key = pyseto.Key.from_asymmetric_key_params(version=4, d=private.private_bytes(*raw))
    return {"token": pyseto.encode(key, case["claims"], serializer=json).decode()}


def init_data(case):
    claims = dict(case["claims"])
    made = claims.pop("auth_date")
    pairs = {name: compact(value).decode() if name == "user" else value for name, value in claims.items()}
    return {"token": init_data_py.sign(pairs, case["key_used"], auth_date=made)}


def telegram_data(case):
    claims = dict(case["claims"])
    made = datetime.fromtimestamp(claims.pop("auth_date"), timezone.utc)
    return {"token": telegram_init_data.sign(claims, case["key_used"], made)}


def telegram_signed(case):
    """As the two libraries that read it describe it; none makes it."""
    pairs = sorted(case["claims"].items())
    text = f"{case['params']['bot_id']}:WebAppData\n" + "\n".join(f"{name}={value}" for name, value in pairs)
    signature = base64url(case["key_used"].sign(text.encode()))
    # `hash` is another scheme's, which this one does not cover.
    return {"token": urlencode([*pairs, ("signature", signature), ("hash", "0" * 64)])}


def slack(case):
    when, request = str(case["claims"]["time"]), case["request"]
    token = SignatureVerifier(case["key_used"]).generate_signature(timestamp=when, body=request["body"])
    return {"token": token, "request": {**request, "headers": {"x-slack-request-timestamp": when}}}


def shopify_query(case):
    shopify.Session.secret = case["key_used"]
    token = shopify.Session.calculate_hmac(case["claims"])
    return {"token": token, "request": {"method": "GET", "query": urlencode({**case["claims"], "hmac": token})}}


def sealed(key, claims, aad=None):
    iv = os.urandom(12)
    return iv, AESGCM(key).encrypt(iv, compact(claims), aad)


def plain_gcm(case):
    return {"token": base64url(b"".join(sealed(case["key_used"], case["claims"])))}


def intercom_sheets(case):
    key = hashlib.sha256(case["key_used"].encode()).digest()
    return {"token": base64.b64encode(b"".join(sealed(key, case["claims"]))).decode()}


def zoom(case):
    aad = b"context"
    iv, box = sealed(hashlib.sha256(case["key_used"].encode()).digest(), case["claims"], aad)
    head = bytes([len(iv)]) + iv + struct.pack("<H", len(aad)) + aad
    return {"token": base64url(head + struct.pack("<i", len(box) - 16) + box)}


def ecwid(case):
    iv, pad = os.urandom(16), padding.PKCS7(128).padder()
    sealing = Cipher(algorithms.AES(case["key_used"][:16].encode()), modes.CBC(iv)).encryptor()
    padded = pad.update(compact(case["claims"])) + pad.finalize()
    return {"token": base64url(iv + sealing.update(padded) + sealing.finalize())}


def discord_activity_proxy(case):
    payload, created = compact(case["claims"]), str(case["claims"]["created_at"])
    token = base64.b64encode(payload).decode()
    signature = base64.b64encode(case["key_used"].sign(payload)).decode()
    names = ("x-discord-proxy-payload", "x-signature-timestamp", "x-signature-ed25519")
    return {"token": token, "request": {"headers": dict(zip(names, (token, created, signature)))}}


JWT_PLATFORMS = (
    "shopify bigcommerce monday pipedrive miro zendesk msteams canva atlassian-forge lti13 whop generic-jwt".split()
)
MINTERS = {
    **{platform: {"PyJWT": with_pyjwt} for platform in JWT_PLATFORMS},
    "atlassian-connect": {"atlassian-jwt (Python)": connect},
    "discord-activity-proxy": {"cryptography": discord_activity_proxy},
    "ecwid": {"cryptography": ecwid},
    "generic-aes-256-gcm": {"cryptography": plain_gcm},
    "generic-jwe": {"jwcrypto": jwe},
    "generic-paseto-v4-local": {"pyseto": paseto_local},
    "generic-paseto-v4-public": {"pyseto": paseto_public},
    "intercom-sheets": {"cryptography": intercom_sheets},
    "shopify-query-hmac": {"ShopifyAPI": shopify_query},
    "slack": {"slack_sdk": slack},
    "telegram": {"init-data-py": init_data, "telegram-init-data": telegram_data},
    "telegram-ed25519": {"cryptography": telegram_signed},
    "zoom": {"cryptography": zoom},
}

for line in lines(MINTERS, keys_of):
    print(json.dumps(line))
