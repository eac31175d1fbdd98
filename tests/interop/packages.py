"""What each package says of a line of a vector file: for every package and platform a function from the line to what
the token says. It raises where the package refuses, or where the check that its documentation asks of the caller fails.
"""

import base64
import json
import time
from urllib.parse import parse_qsl

import atlassian_jwt
import facebook
import init_data_py
import jwt
import pyseto
import shopify
import telegram_init_data
from bigcommerce.api import BigcommerceApi
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT
from pylti1p3.cookie import CookieService
from pylti1p3.message_launch import MessageLaunch
from pylti1p3.request import Request
from pylti1p3.session import SessionService
from pylti1p3.tool_config import ToolConfDict
from shopify.session_token import decode_from_header
from slack_sdk.signature import SignatureVerifier
from vk_miniapp_auth.auth import VKMiniAppAuthenticator

import samples


def must(value, why):
    if not value:
        raise ValueError(why)
    return value


def params(line):
    return line.get("params", {})


def request_headers(line):
    return line["request"].get("headers", {})


class Connect(atlassian_jwt.Authenticator):
    """Knows one tenant."""

    def __init__(self, line):
        super().__init__(leeway=0)
        self.line = line

    def get_shared_secret(self, client_key):
        must(client_key == params(self.line)["client_key"], "another tenant")
        return self.line["secret"]


def atlassian_connect(line):
    request = line["request"]
    # A token for scripts is not bound to a request, which the package does not know.
    if jwt.decode(line["token"], options={"verify_signature": False}).get("qsh") == "context-qsh":
        return jwt.decode(line["token"], line["secret"], algorithms=["HS256"], issuer=params(line)["client_key"])
    headers = {"Authorization": "JWT " + line["token"]}
    return Connect(line).authenticate(request["method"], request["url"], headers).claims


def key_of(line):
    """The key that the header names, for the algorithm that the key is for."""
    if "jwks" not in line:
        return line.get("secret") or line["public_key"]
    kid = jwt.get_unverified_header(line["token"]).get("kid")
    return jwt.PyJWKSet.from_dict(line["jwks"])[kid].key


def with_jwt(algorithms, claim=None, check=lambda claims, line: True, issuer="issuer"):
    def read(line):
        rules = {"audience": params(line).get(claim), "issuer": params(line).get(issuer)}
        rules = {name: value for name, value in rules.items() if value}
        allowed = params(line).get("algorithms", algorithms)
        claims = jwt.decode(line["token"], key_of(line), algorithms=allowed, options={"require": ["exp"]}, **rules)
        must(check(claims, line), "not for this app")
        return claims

    return read


def issued_for_tenant(claims, line):
    return claims["iss"] == params(line)["issuer_template"].replace("{tid}", claims["tid"])


def for_client(claims, line):
    return claims["dat"]["client_id"] == params(line)["client_id"]


class Launch(Request):
    """The form that the LMS posts, with the state of the login in a cookie."""

    def __init__(self, line):
        self.line = line
        self.kept = {}

    @property
    def session(self):
        return self.kept

    def is_secure(self):
        return True

    def get_param(self, key):
        return {"id_token": self.line["token"], "state": params(self.line)["state"]}.get(key)


class Cookies(CookieService):
    """Has the state of the login."""

    def get_cookie(self, name):
        return name

    def set_cookie(self, name, value, exp=3600):
        raise NotImplementedError


class LtiLaunch(MessageLaunch):
    """Reads from `Launch`."""

    def _get_request_param(self, key):
        return self._request.get_param(key)


def lti13(line):
    told = params(line)
    registration = {
        "client_id": told["audience"],
        "auth_login_url": "https://lms.example.edu/login",
        "auth_token_url": "https://lms.example.edu/token",
        "key_set": line["jwks"],
        "deployment_ids": told["deployment_ids"],
    }
    request = Launch(line)
    session = SessionService(request)
    session.save_nonce(told["nonce"])
    launch = LtiLaunch(request, ToolConfDict({told["issuer"]: registration}), session, Cookies())
    return launch.validate().get_launch_data()


def shopify_session(line):
    return decode_from_header("Bearer " + line["token"], params(line)["audience"], line["secret"])


def shopify_query(line):
    shopify.Session.secret = line["secret"]
    query = dict(parse_qsl(line["request"]["query"], keep_blank_values=True))
    must(shopify.Session.validate_params(query), "refused")
    return query


def bigcommerce(line):
    return BigcommerceApi.oauth_verify_payload_jwt(line["token"], line["secret"], params(line)["audience"])


def bigcommerce_legacy(line):
    return must(BigcommerceApi.oauth_verify_payload(line["token"], line["secret"]), "bad signature")


def facebook_request(line):
    return must(facebook.parse_signed_request(line["token"], line["secret"]), "refused")


def vk(line):
    query = line["request"]["query"]
    app = int(dict(parse_qsl(query))["vk_app_id"])
    header = base64.b64encode(("https://app.example.test/?" + query).encode()).decode()
    reader = VKMiniAppAuthenticator(app, line["secret"])
    return must(reader.get_verified_launch_params(header), "refused").get_data()


def init_data(line):
    read = init_data_py.validate_by_hash(line["token"], line["secret"], expires_in=params(line)["max_age_s"])
    return dict(read.pairs)


def init_data_signed(line):
    told = params(line)
    read = init_data_py.validate_by_signature(
        line["token"], told["bot_id"], public_key=line["public_key"], expires_in=told["max_age_s"]
    )
    return dict(read.pairs)


def telegram_data(line):
    telegram_init_data.validate(line["token"], line["secret"], {"expires_in": params(line)["max_age_s"]})
    return dict(parse_qsl(line["token"]))


def slack(line):
    headers = {"x-slack-signature": line["token"], **request_headers(line)}
    must(SignatureVerifier(line["secret"]).is_valid_request(line["request"]["body"], headers), "bad signature")
    return {"body": line["request"]["body"]}


def jwe(line):
    key = JWK(kty="oct", k=base64.urlsafe_b64encode(bytes.fromhex(line["secret_hex"])).decode().rstrip("="))
    told = params(line)
    claims = {"iss": told["issuer"], "aud": told["audience"], "exp": None}
    token = JWT(algs=["dir", "A256GCM"], check_claims=claims, expected_type="JWE")
    token.leeway = 0
    token.deserialize(line["token"], key)
    return json.loads(token.claims)


def paseto_key(line):
    if "secret_hex" in line:
        return pyseto.Key.new(version=4, purpose="local", key=bytes.fromhex(line["secret_hex"]))
    return pyseto.Key.from_asymmetric_key_params(version=4, x=bytes.fromhex(line["public_key"]))


def paseto(line):
    told = params(line)
    payload = pyseto.decode(paseto_key(line), line["token"], deserializer=json, aud=told["audience"]).payload
    must("exp" in payload and payload["iss"] == told["issuer"], "not for this app")
    return payload


def as_written(line):
    return samples.PLATFORMS[line["platform"]](line, time.time())


HS256 = with_jwt(["HS256"])
PACKAGES = {
    "PyJWT": {
        "atlassian-forge": with_jwt(["RS256"], "audience"),
        "canva": with_jwt(["RS256"], "audience", lambda claims, _: claims["userId"] and claims["brandId"]),
        "generic-jwt": with_jwt([], "audience"),
        "miro": HS256,
        "monday": with_jwt(["HS256"], check=for_client),
        "msteams": with_jwt(["RS256"], "audience", issued_for_tenant),
        "pipedrive": HS256,
        "zendesk": with_jwt(["RS256"], "audience"),
    },
    "PyLTI1p3": {"lti13": lti13},
    "ShopifyAPI": {"shopify": shopify_session, "shopify-query-hmac": shopify_query},
    "atlassian-jwt": {"atlassian-connect": atlassian_connect},
    "bigcommerce": {"bigcommerce": bigcommerce, "bigcommerce-legacy": bigcommerce_legacy},
    "cryptography": {platform: as_written for platform in samples.PLATFORMS},
    "facebook-sdk": {"facebook": facebook_request},
    "init-data-py": {"telegram": init_data, "telegram-ed25519": init_data_signed},
    "jwcrypto": {"generic-jwe": jwe},
    "pyseto": {"generic-paseto-v4-local": paseto, "generic-paseto-v4-public": paseto},
    "slack_sdk": {"slack": slack},
    "telegram-init-data": {"telegram": telegram_data},
    "vk-mini-app-auth": {"vk": vk},
}
