//! Platforms whose token is the answer to a login: OpenID Connect with third-party initiation (Core §4), as LTI 1.3 has it
//! (1EdTech Security Framework 1.0 §5.1).
//!
//! A page of the platform opens our login address. We send the browser to the platform's authorization endpoint, with a
//! state and a nonce, and the platform posts the token with both. Who makes state and nonce, and looks at the request,
//! is the gateway's affair; what the parameters mean stands here.

use super::query;

/// The longest value that is passed on, in bytes. Hints are opaque; those of large platforms are JWTs of about 1 KiB.
const MAX_VALUE: usize = 4096;

/// What logins of one host are made with.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The platform's authorization endpoint.
    pub(super) url: &'a str,
    /// Who the platform says that it is.
    pub(super) issuer: &'a str,
    /// The app's id there.
    pub(super) client: &'a str,
    /// Deployments that are served.
    pub(super) deployments: &'a [String],
}

/// What a page of the platform asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginRequest<'a> {
    /// The page of ours that is wanted. Nobody has signed that yet: only what the token says of it counts.
    pub target: &'a str,
    hint: &'a str,
    message_hint: Option<&'a str>,
}

impl Login<'_> {
    /// Reads the parameters, each of which is there once. What is wrong with them is for the log.
    pub fn read<'f>(&self, fields: &'f [(String, String)]) -> Result<LoginRequest<'f>, &'static str> {
        let field = |name: &str| fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        if field("iss") != Some(self.issuer) {
            return Err("a login of another issuer");
        }
        if field("client_id").is_some_and(|client| client != self.client) {
            return Err("a login of another client");
        }
        if field("lti_deployment_id").is_some_and(|one| !self.deployments.iter().any(|known| known == one)) {
            return Err("a login of another deployment");
        }
        let hint = field("login_hint").filter(|hint| !hint.is_empty()).ok_or("a login without a login_hint")?;
        let target = field("target_link_uri").ok_or("a login without a target_link_uri")?;
        let message_hint = field("lti_message_hint");
        if hint.len() > MAX_VALUE || message_hint.is_some_and(|hint| hint.len() > MAX_VALUE) {
            return Err("a login with a hint that is too long");
        }
        Ok(LoginRequest { target, hint, message_hint })
    }

    /// Where the browser goes from here. The token is to be posted to `callback`, with the state beside it and the nonce
    /// inside.
    pub fn address(&self, request: &LoginRequest<'_>, callback: &str, state: &str, nonce: &str) -> String {
        let mut address = format!(
            "{}?scope=openid&response_type=id_token&response_mode=form_post&prompt=none&client_id={}&redirect_uri={}\
             &login_hint={}&state={}&nonce={}",
            self.url,
            encode(self.client),
            encode(callback),
            encode(request.hint),
            encode(state),
            encode(nonce),
        );
        if let Some(hint) = request.message_hint {
            address.push_str("&lti_message_hint=");
            address.push_str(&encode(hint));
        }
        address
    }
}

/// All but unreserved characters (RFC 3986 §2.3).
fn encode(text: &str) -> String {
    query::encode(text, b"-._~")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: (&str, &str) = ("target_link_uri", "https://app.example.com/launch");

    fn login(deployments: &[String]) -> Login<'_> {
        Login { url: "https://lms.example/auth", issuer: "https://lms.example", client: "c 1", deployments }
    }

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_login_of_the_configured_platform_goes_to_its_own_address() {
        let deployments = ["d1".to_owned()];
        let fields = fields(&[
            ("iss", "https://lms.example"),
            ("login_hint", "a&state=x"),
            TARGET,
            ("client_id", "c 1"),
            ("lti_deployment_id", "d1"),
            ("lti_message_hint", "m=1"),
            ("lti_storage_target", "_parent"),
        ]);
        let login = login(&deployments);
        let request = login.read(&fields).expect("a request");
        assert_eq!(request.target, TARGET.1);
        assert_eq!(
            login.address(&request, "https://app.example.com/.vestibule/callback", "s", "n"),
            "https://lms.example/auth?scope=openid&response_type=id_token&response_mode=form_post&prompt=none\
             &client_id=c%201&redirect_uri=https%3A%2F%2Fapp.example.com%2F.vestibule%2Fcallback\
             &login_hint=a%26state%3Dx&state=s&nonce=n&lti_message_hint=m%3D1"
        );
    }

    #[test]
    fn a_login_of_anybody_else_is_refused() {
        let long = "h".repeat(MAX_VALUE + 1);
        let (iss, hint) = (("iss", "https://lms.example"), ("login_hint", "h"));
        let deployments = ["d1".to_owned()];
        for pairs in [
            &[hint, TARGET][..],
            &[("iss", "https://lms.example/"), hint, TARGET],
            &[("iss", "https://lms.example.evil.example"), hint, TARGET],
            &[iss, hint, TARGET, ("client_id", "c 2")],
            &[iss, hint, TARGET, ("client_id", "")],
            &[iss, hint, TARGET, ("lti_deployment_id", "d2")],
            &[iss, TARGET],
            &[iss, ("login_hint", ""), TARGET],
            &[iss, hint],
            &[iss, ("login_hint", &long), TARGET],
            &[iss, hint, TARGET, ("lti_message_hint", &long)],
        ] {
            assert!(login(&deployments).read(&fields(pairs)).is_err(), "{pairs:?}");
        }
    }
}
