//! Where tokens that open sessions stand in a navigation, of all hosts together.

use std::sync::Arc;

use http::HeaderMap;

use super::form::Form;
use super::respond::Rejection;
use super::route::Target;
use crate::hosts::{Carrier, Comes, HostPlatform};
use crate::secret::Secret;

/// The places, each once. Made with the configuration; a request costs one look at each, and nothing where there is none.
pub(super) struct Entrances {
    carriers: Vec<Carrier>,
}

/// A token as it stood in a request; nothing of it is proven.
pub(super) struct Token<'a> {
    pub(super) carrier: &'a Carrier,
    /// What stood there; `None` is what cannot be decoded.
    values: Vec<Option<Secret>>,
}

impl Token<'_> {
    pub(super) fn is_repeated(&self) -> bool {
        self.values.len() > 1
    }

    /// The token, if one reading is all that there is.
    pub(super) fn secret(&self) -> Result<&Secret, Rejection> {
        match self.values.as_slice() {
            [Some(only)] => Ok(only),
            [] | [None] => Err(Rejection::MalformedRequest("a token that cannot be decoded")),
            _ => Err(Rejection::MalformedRequest("a token that is repeated")),
        }
    }
}

impl Entrances {
    pub(super) fn new(hosts: &[Arc<dyn HostPlatform>]) -> Self {
        let mut carriers: Vec<Carrier> = Vec::new();
        let opening = hosts.iter().filter(|host| host.opens_session());
        for carrier in opening.flat_map(|host| host.carriers()).filter(|carrier| is_entrance(carrier)) {
            if !carriers.contains(carrier) {
                carriers.push(carrier.clone());
            }
        }
        Self { carriers }
    }

    /// The places in an address.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &Carrier> {
        self.carriers.iter().filter(|carrier| is_parameter(carrier))
    }

    /// Whether some host's page posts its token in a form.
    pub(super) fn have_forms(&self) -> bool {
        self.carriers.iter().any(|carrier| matches!(carrier, Carrier::Form(_)))
    }

    /// Takes the tokens out of an address, so that nothing behind can see them. `query` is the address's own, as it came.
    pub(super) fn take_parameters(&self, target: &mut Target, query: Option<&str>) -> Vec<Token<'_>> {
        self.find(|carrier| {
            let values = match carrier {
                Carrier::Query(name) => target.parameters(name).map(|value| value.map(text)).collect(),
                Carrier::SignedQuery { signature, .. } => {
                    let whole = query.unwrap_or_default();
                    target.parameters(signature).map(|_| Some(Secret::from(whole))).collect()
                }
                _ => return Vec::new(),
            };
            let _ = target.take_parameters(|name| carrier.takes(name));
            values
        })
    }

    /// The tokens in headers. These never go on to the app.
    pub(super) fn in_headers(&self, headers: &HeaderMap) -> Vec<Token<'_>> {
        self.find(|carrier| match carrier {
            Carrier::Header { name, .. } => {
                let values = headers.get_all(name.as_ref()).iter();
                values.map(|value| value.to_str().ok().map(Secret::from)).collect()
            }
            _ => Vec::new(),
        })
    }

    /// The tokens in a form.
    pub(super) fn in_form(&self, form: &Form) -> Vec<Token<'_>> {
        self.find(|carrier| match carrier {
            Carrier::Form(name) => form.values(name).map(|value| Some(Secret::from(value))).collect(),
            _ => Vec::new(),
        })
    }

    fn find(&self, mut values: impl FnMut(&Carrier) -> Vec<Option<Secret>>) -> Vec<Token<'_>> {
        let tokens = self.carriers.iter().map(|carrier| Token { carrier, values: values(carrier) });
        tokens.filter(|token| !token.values.is_empty()).collect()
    }
}

fn text(value: String) -> Secret {
    Secret::new(value.into_bytes())
}

const fn is_parameter(carrier: &Carrier) -> bool {
    matches!(carrier, Carrier::Query(_) | Carrier::SignedQuery { .. })
}

/// The others come with each request, or exist only in a page.
const fn is_entrance(carrier: &Carrier) -> bool {
    is_parameter(carrier)
        || matches!(carrier, Carrier::Form(_) | Carrier::Header { comes: Comes::First, scheme: None, .. })
}
