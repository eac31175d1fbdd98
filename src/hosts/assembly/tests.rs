use std::time::Instant;

use proptest::prelude::*;

use super::*;

fn assembly(clock: &Clock) -> Assembly {
    let tenant = |text| TenantId::new(text).expect("an id");
    let settings = AssemblySettings {
        name: HostName::new("assembly").expect("a name"),
        api_key: Secret::from("throwaway-assembly-api-key-0001"),
        tenants: vec![tenant("11111111-2222-4333-8444-555555555555")],
        confirm: ConfirmMode::Offline,
        revalidate: Duration::from_hours(1),
        outage_grace: Duration::from_hours(1),
        api_budget: ApiBudget { per_second: 5, per_month: 8000 },
        api_url: "https://127.0.0.1:9".into(),
        origins: Vec::new(),
        max_token_age: Duration::from_mins(10),
        preview: PreviewRule::ReadOnly,
    };
    Assembly::new(settings, clock.clone()).expect("a host")
}

fn token(more: &[(&str, &str)]) -> Secret {
    let ids =
        [("workspaceId", "11111111-2222-4333-8444-555555555555"), ("clientId", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")];
    Secret::from(mint(&Secret::from("throwaway-assembly-api-key-0001"), &[&ids, more].concat()).as_str())
}

#[test]
fn a_stated_end_is_kept_to_the_second() {
    let clock = Clock::manual(Timestamp::from_secs(1_790_000_000));
    let host = assembly(&clock);
    let ends = token(&[("expiresAt", "1790000060")]);
    assert!(host.open(&ends).is_ok());
    clock.advance(Duration::from_secs(59));
    assert!(host.open(&ends).is_ok());
    clock.advance(Duration::from_secs(1));
    assert!(host.open(&ends).is_err(), "an end that is now has passed");
}

#[test]
fn the_age_of_a_token_counts_from_its_first_sight() {
    let clock = Clock::manual(Timestamp::from_secs(1_790_000_000));
    let host = assembly(&clock);
    let (early, late) = (token(&[("tokenId", "a")]), token(&[("tokenId", "b")]));
    let first = host.open(&early).map(|opened| opened.first_seen);
    clock.advance(Duration::from_mins(9));
    assert_eq!(host.open(&early).map(|opened| opened.first_seen), first);
    assert!(host.open(&late).is_ok());
    clock.advance(Duration::from_mins(1));
    assert!(host.open(&early).is_err() && host.open(&late).is_ok());
}

#[test]
fn people_are_asked_about_again_at_different_times() {
    let span = Duration::from_hours(1);
    let at = |id: u32| {
        let claims = claims::read(
            format!(r#"{{"workspaceId":"11111111-2222-4333-8444-555555555555","clientId":"aaaaaaaa-bbbb-4ccc-8ddd-{id:012}"}}"#)
                .as_bytes(),
        );
        Identity::of(&claims.expect("claims")).expect("somebody").jittered(span)
    };
    let all: Vec<Duration> = (0..1000).map(at).collect();
    assert!(all.iter().all(|one| (span.mul_f64(0.8)..=span.mul_f64(1.2)).contains(one)));
    assert!(all.iter().filter(|one| **one < span).count() > 400 && all.iter().filter(|one| **one > span).count() > 400);
    assert_eq!(at(1), at(1));
}

/// Welch's t of two sets of samples, after the slowest tenth of each is left out: those were interrupted.
fn welch(mut a: Vec<f64>, mut b: Vec<f64>) -> f64 {
    let moments = |samples: &mut Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples.truncate(samples.len() * 9 / 10);
        let n = f64::from(u32::try_from(samples.len()).expect("few"));
        let mean = samples.iter().sum::<f64>() / n;
        let variance = samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    };
    let ((mean_a, error_a), (mean_b, error_b)) = (moments(&mut a), moments(&mut b));
    (mean_a - mean_b) / (error_a + error_b).sqrt()
}

/// Texts of one length that mean nothing: with a padding that is right, and with one that is wrong.
fn noise(padded: bool, count: usize) -> Vec<Secret> {
    let cipher = SealedCbc::new(&Secret::from("throwaway-assembly-api-key-0001"));
    let random = |length| {
        let mut bytes = vec![0; length];
        SystemRandom::new().fill(&mut bytes).expect("random bytes");
        bytes
    };
    let sealed = |_| {
        let iv = *random(16).first_chunk().expect("sixteen bytes");
        let token = cipher.seal(&random(200), iv);
        // A block of noise at the end makes the padding wrong, but for one time in 256.
        let cut = token.len() - 32;
        let token = if padded { token } else { token[..cut].to_owned() + &faster_hex::hex_string(&random(16)) };
        Secret::from(token.as_str())
    };
    let wanted = |token: &Secret| cipher.unseal(token.expose()).sound == padded;
    (0..).map(sealed).filter(wanted).take(count).collect()
}

// TOK-03
#[tokio::test]
#[ignore = "a statistic of 1,500 samples a class takes a minute"]
async fn a_wrong_padding_takes_as_long_as_a_right_one() {
    let host = assembly(&Clock::manual(Timestamp::from_secs(1_790_000_000)));
    let classes = [noise(true, 100), noise(false, 100), noise(false, 100)];
    let mut samples = vec![Vec::new(); classes.len()];
    for round in 0..4500 {
        let class = round % classes.len();
        let token = &classes[class][round / classes.len() % 100];
        let started = Instant::now();
        assert!(host.prove(token, &Presented::default()).await.is_err());
        samples[class].push(started.elapsed().as_secs_f64());
    }
    let null = welch(samples[2].clone(), samples[1].clone());
    let t = welch(samples[0].clone(), samples[1].clone());
    assert!(t.abs() < 4.5, "right against wrong: t = {t:.2}; wrong against wrong: {null:.2}");
}

// TOK-03
#[tokio::test]
async fn every_refusal_is_given_at_the_same_time() {
    let host = assembly(&Clock::manual(Timestamp::from_secs(1_790_000_000)));
    let expired = token(&[("expiresAt", "1790000000")]);
    let odd = [Secret::from(""), Secret::from("zz"), Secret::new(vec![b'0'; 8192]), expired];
    for token in noise(true, 3).iter().chain(&noise(false, 3)).chain(&odd) {
        let mut quickest = Duration::MAX;
        // A busy machine makes some of them late, never early.
        for _ in 0..5 {
            let started = Instant::now();
            assert_eq!(host.prove(token, &Presented::default()).await.map(|_| ()), Err(HostError::Refused));
            quickest = quickest.min(started.elapsed());
        }
        assert!(quickest >= REFUSAL_TIME && quickest < REFUSAL_TIME * 3, "{quickest:?}");
    }
}

proptest! {
    /// Nothing that a caller can send as a token makes the reader fail in another way than the one.
    #[test]
    fn any_bytes_are_a_token_that_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let host = assembly(&Clock::manual(Timestamp::from_secs(1_790_000_000)));
        prop_assert!(host.open(&Secret::new(bytes.clone())).is_err());
        prop_assert!(host.open(&Secret::from(faster_hex::hex_string(&bytes).as_str())).is_err());
        prop_assert_eq!(claims::read(&bytes), Err(Refused));
    }

    /// One digit of a token's body garbles a block, and never gives another person.
    #[test]
    fn a_garbled_token_names_nobody_else(at in 32_usize..200, digit in 0_u8..16) {
        let good = token(&[("tokenId", "t-1")]);
        let mut bytes = good.expose().to_vec();
        let at = at.min(bytes.len() - 1);
        bytes[at] = b"0123456789abcdef"[usize::from(digit)];
        let host = assembly(&Clock::manual(Timestamp::from_secs(1_790_000_000)));
        if let Ok(opened) = host.open(&Secret::new(bytes)) {
            prop_assert_eq!(Ok(opened.identity), host.open(&good).map(|good| good.identity));
        }
    }
}

#[test]
fn other_settings_forget_nothing_that_was_seen_of_tokens_and_nothing_that_was_spent() {
    let clock = Clock::manual(Timestamp::from_secs(1_790_000_000));
    let before = assembly(&clock);
    let early = token(&[("tokenId", "a")]);
    let opened = before.open(&early).expect("a good token");
    before.memory.note_confirmed(opened.name);
    let standing = || Known { standing: Arc::default(), portal: None, at: clock.now() };
    before.known.insert(opened.identity.clone(), standing());
    clock.advance(Duration::from_mins(9));
    let settings = |change: &dyn Fn(&mut AssemblySettings)| {
        let mut settings = before.settings.clone();
        change(&mut settings);
        Assembly::after(&before, settings).expect("a host")
    };
    let longer = settings(&|settings| settings.revalidate = Duration::from_hours(2));
    assert!(longer.memory.is_confirmed(opened.name) && longer.known.contains_key(&opened.identity));
    let elsewhere = settings(&|settings| settings.api_url = "https://127.0.0.1:10".into());
    assert!(!elsewhere.memory.is_confirmed(opened.name) && !elsewhere.known.contains_key(&opened.identity));
    for after in [&longer, &elsewhere] {
        assert_eq!(after.open(&early).map(|again| again.first_seen), Ok(opened.first_seen));
        let garbled = token(&[("tokenId", "a"), ("companyId", "cccccccc-dddd-4eee-8fff-000000000000")]);
        assert!(after.open(&garbled).is_err(), "the token id is somebody's");
        assert!(after.api.shares_its_count_with(&before.api));
    }
    clock.advance(Duration::from_mins(1));
    assert!(longer.open(&early).is_err(), "its age counts from its first sight");
    let shorter = settings(&|settings| settings.max_token_age = Duration::from_mins(30));
    assert!(shorter.open(&early).is_ok());
}

#[test]
fn a_workspace_that_left_the_settings_is_confirmed_no_more() {
    let clock = Clock::manual(Timestamp::from_secs(1_790_000_000));
    let before = assembly(&clock);
    let identity = before.open(&token(&[])).expect("a good token").identity;
    let principal = identity.principal(before.name());
    assert!(before.confirmed(&principal, clock.now()).is_some());
    let other = TenantId::new("22222222-2222-4333-8444-555555555555").expect("an id");
    let settings = AssemblySettings { tenants: vec![other], ..before.settings.clone() };
    let after = Assembly::after(&before, settings).expect("a host");
    assert!(after.confirmed(&principal, clock.now()).is_none());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    assert!(matches!(runtime.block_on(after.confirm(&principal, clock.now())), Err(HostError::Refused)));
}
