//! Discord's two Ed25519 signatures: over a call of its servers (docs.discord.com, "Interactions overview"), and over a payload
//! that its proxy adds to each request of an Activity (discord-api-docs, "Multiplayer experience").

use super::{Call, Claims, Keys, Opened, Refusal, at, base64, header, hex, members, seconds};

const TIME: &str = "x-signature-timestamp";

/// Over the time and the body, which has to be copied to stand behind it.
pub(super) fn open_call(signature: &[u8], call: &Call, keys: &Keys) -> Result<Opened, Refusal> {
    let written = header(call, TIME)?;
    keys.check_signature(&[written.as_bytes(), &call.body].concat(), &hex::<64>(signature)?)?;
    Ok(at(seconds(written)?, members(call)))
}

/// Over the payload, which is the token. The time beside it has to be the one inside.
pub(super) fn open_payload(token: &[u8], call: &Call, keys: &Keys) -> Result<Opened, Refusal> {
    let payload = base64(token)?;
    let signature = header(call, "x-signature-ed25519")?.as_bytes();
    // Discord's own examples disagree on how it is written. No text of one length is one of the other.
    let signature = match signature.len() {
        128 => hex::<64>(signature)?.to_vec(),
        88 => base64(signature)?,
        _ => return Err(Refusal::Malformed),
    };
    keys.check_signature(&payload, &signature)?;
    let claims = Claims::parse(&payload)?;
    let created = claims.id(&["created_at"]).ok_or(Refusal::MissingClaim)?;
    if created == header(call, TIME)? { Ok(at(seconds(&created)?, claims)) } else { Err(Refusal::Malformed) }
}
