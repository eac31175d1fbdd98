//! Where a token stands in what a browser or a platform sends, and what it holds for there.

use std::borrow::Cow;

use super::platform::{Once, Platform, RequestForm, Rule, Scheme};

/// Where a token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A parameter of the address that the frame is opened with.
    Query(Cow<'static, str>),
    /// Parameters of that address and the signature over them.
    SignedQuery {
        /// The parameter that is the signature.
        signature: &'static str,
        /// How the names of the others begin; empty where all of them are signed.
        covers: &'static str,
    },
    /// A field of the form that the host's page posts to the app's address.
    Form(Cow<'static, str>),
    /// A header, in lower case, with an authentication scheme before the token where one is due.
    Header {
        /// Its name.
        name: Cow<'static, str>,
        /// `Bearer` and the like; compared without regard to case (RFC 9110 §11.1).
        scheme: Option<Cow<'static, str>>,
        /// How often it comes.
        comes: Comes,
    },
    /// Only in the page's JavaScript, which posts it to `POST /.vestibule/session`.
    Script,
    /// A header that signs the request, made by the platform's servers.
    Signature {
        /// Its name, in lower case.
        name: &'static str,
        /// Other headers that belong to it, in lower case.
        beside: &'static [&'static str],
    },
}

/// How often a header with a token comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comes {
    /// With the frame's first navigation; a session of ours takes over.
    First,
    /// With each request, put there by the app's own page.
    FromPage,
    /// With each request, put there by the platform's proxy, so that any page can cause it, as with a cookie.
    FromProxy,
    /// With each call of the platform's servers.
    FromServer,
}

impl Carrier {
    /// Whether a parameter of an address belongs to the token.
    pub fn takes(&self, parameter: &str) -> bool {
        match self {
            Self::Query(name) => name == parameter,
            Self::SignedQuery { signature, covers } => *signature == parameter || parameter.starts_with(covers),
            _ => false,
        }
    }
}

/// What a token holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Whoever has it, until it ends.
    Bearer,
    /// Whoever has it, once.
    Once,
    /// One method, address, or set of headers.
    Head,
    /// One request as a whole, with its body.
    Call,
}

impl Platform {
    /// What its tokens hold for.
    pub fn binding(&self) -> Binding {
        match self.scheme {
            Scheme::SignedRequest(RequestForm::DiscordPayload) => Binding::Head,
            Scheme::SignedRequest(_) => Binding::Call,
            _ if self.rules.iter().any(|rule| matches!(rule, Rule::RequestHash(_))) => Binding::Head,
            _ if self.once != Once::No => Binding::Once,
            _ => Binding::Bearer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_query_is_its_signature_and_what_that_covers() {
        let launch = Carrier::SignedQuery { signature: "sign", covers: "vk_" };
        assert!(["sign", "vk_user_id", "vk_"].iter().all(|name| launch.takes(name)));
        assert!(!["signs", "Sign", "avk_", "x", ""].iter().any(|name| launch.takes(name)));
        let token = Carrier::Query("token".into());
        assert!(token.takes("token") && !token.takes("token2"));
        assert!(!Carrier::Form("token".into()).takes("token") && !Carrier::Script.takes("token"));
    }
}
