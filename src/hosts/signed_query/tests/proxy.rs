use super::*;

#[test]
fn shopifys_hmac_is_over_the_encoded_query_without_both_signatures() {
    let query = "shop=demo.myshopify.com&host=YQ%3D%3D&a=%2A~%20&signature=x";
    let over = |signed: &str| {
        let hmac = faster_hex::hex_string(mac(&secret(), signed.as_bytes()).as_ref());
        read(QueryForm::Shopify, &format!("{query}&hmac={hmac}"))
    };
    let claims = over("a=*%7E+&host=YQ%3D%3D&shop=demo.myshopify.com").expect("a genuine query");
    assert!(!claims.has("signature") && !claims.has("hmac"), "neither is signed");
    for other in [
        "a=*~ &host=YQ==&shop=demo.myshopify.com",
        "shop=demo.myshopify.com&host=YQ%3D%3D&a=*%7E+",
        "a=*%7E+&host=YQ%3D%3D&shop=demo.myshopify.com&signature=x",
    ] {
        assert_eq!(over(other), Err(Refusal::BadSignature), "{other}");
    }
}

#[test]
fn a_shop_has_a_domain_of_shopifys() {
    let good = ["demo.myshopify.com", "demo-2.shop.dev"];
    let bad =
        ["demo.example.com", "myshopify.com", ".myshopify.com", "a.b.myshopify.com", "demo.myshopify.com.evil.test"];
    for form in [QueryForm::Shopify, QueryForm::ShopifyProxy] {
        let with = |shop| {
            let other = usual(form).into_iter().filter(|(name, _)| *name != "shop");
            read(form, &minted(form, &other.chain([("shop", shop)]).collect::<Vec<_>>()))
        };
        assert!(good.into_iter().all(|shop| with(shop).is_ok()), "{form:?}");
        let more =
            ["Demo.myshopify.com", "demo.myshopify.com/", "https://demo.myshopify.com", "demo.myshopify.com:1", ""];
        for shop in bad.into_iter().chain(more) {
            assert_eq!(with(shop), Err(Refusal::WrongClaim), "{form:?} {shop}");
        }
    }
}

#[test]
fn shopifys_proxy_counts_only_what_shopify_adds() {
    let claims = read(QueryForm::ShopifyProxy, &minted(QueryForm::ShopifyProxy, &usual(QueryForm::ShopifyProxy)));
    let claims = claims.expect("a genuine query");
    assert!(!claims.has("extra") && !claims.has("path_prefix") && !claims.has("signature"));
    // Nobody is signed in: authentic, and names nobody.
    let nobody = usual(QueryForm::ShopifyProxy).into_iter().map(|(name, value)| match name {
        "logged_in_customer_id" => (name, ""),
        _ => (name, value),
    });
    let claims = read(QueryForm::ShopifyProxy, &minted(QueryForm::ShopifyProxy, &nobody.collect::<Vec<_>>()));
    assert_eq!(claims.expect("a genuine query").id(&["logged_in_customer_id"]), None);
}

#[test]
fn a_proxy_query_that_can_be_cut_in_another_way_names_no_other_customer_and_no_other_shop() {
    // What a visitor of their own shop gets signed, and how they cut it to be somebody else. Each says the same in a row.
    let own = "logged_in_customer_id=&path_prefix=/apps/x&shop=evil.myshopify.com&timestamp=1790000000";
    let cuts = [
        (
            "a=1logged_in_customer_id=7m=".to_owned() + "&" + own,
            "a=1&logged_in_customer_id=7&m=logged_in_customer_id=&path_prefix=/apps/x&shop=evil.myshopify.com&timestamp=1790000000",
        ),
        (
            own.to_owned() + "&p=1shop=victim.myshopify.comt=",
            "logged_in_customer_id=&p=1&shop=victim.myshopify.com&t=path_prefix=/apps/xshop=evil.myshopify.com&timestamp=1790000000",
        ),
        (
            own.to_owned() + "&p=1timestamp=1799999999u=",
            "logged_in_customer_id=&p=1&timestamp=1799999999&u=path_prefix=/apps/xshop=evil.myshopify.comtimestamp=1790000000",
        ),
        // Shopify's own pair becomes part of a value in front of it.
        (
            "k=1&".to_owned() + own,
            "k=1logged_in_customer_id=&path_prefix=/apps/x&shop=evil.myshopify.com&timestamp=1790000000",
        ),
        // The domain goes on into the next name, or ends early.
        (
            own.to_owned() + "&t.myshopify.com=",
            "logged_in_customer_id=&path_prefix=/apps/x&shop=evil.myshopify.comt.myshopify.com=timestamp=1790000000",
        ),
    ];
    let parse = |query: &str| query::pairs(&query.replace('+', "%2B"), false).expect("pairs");
    for (signed, cut) in cuts {
        let signed: Vec<(String, String)> = parse(&signed);
        let borrowed: Vec<(&str, &str)> = signed.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let query = minted(QueryForm::ShopifyProxy, &borrowed);
        let signature = query.rsplit('&').next().expect("a signature");
        let forged = format!("{}&{signature}", form_encoded(&parse(cut), b"-._"));
        assert!(read(QueryForm::ShopifyProxy, &forged).is_err(), "{cut}");
    }
}

#[test]
fn customers_and_times_of_the_proxy_are_digits() {
    let with = |name: &str, value: Option<&'static str>| {
        let pairs = usual(QueryForm::ShopifyProxy).into_iter();
        let other =
            |pair: (&'static str, &'static str)| if pair.0 == name { Some((pair.0, value?)) } else { Some(pair) };
        read(QueryForm::ShopifyProxy, &minted(QueryForm::ShopifyProxy, &pairs.filter_map(other).collect::<Vec<_>>()))
    };
    assert!(with("logged_in_customer_id", Some("8")).is_ok() && with("timestamp", Some("1")).is_ok());
    for value in ["7x", "-7", "7 ", "٧"] {
        assert!(with("logged_in_customer_id", Some(value)).is_err(), "{value}");
        assert!(with("timestamp", Some(value)).is_err(), "{value}");
    }
    for missing in ["logged_in_customer_id", "timestamp", "shop"] {
        assert!(with(missing, None).is_err(), "{missing}");
    }
}

/// The pairs that come of cutting what is signed at these places.
fn cut(signed: &str, at: &[prop::sample::Index]) -> Option<Vec<(String, String)>> {
    let mut places: Vec<usize> = at.iter().map(|index| index.index(signed.len() + 1)).collect();
    places.extend([0, signed.len()]);
    places.sort_unstable();
    places.dedup();
    let pair = |part: &str| part.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    places.windows(2).map(|two| pair(signed.get(two[0]..two[1])?)).collect()
}

proptest! {
    #[test]
    fn however_a_visitor_chooses_parameters_and_cuts_what_is_signed_they_stay_themselves(
        extra in proptest::collection::btree_map(
            "[a-z]{1,2}|m|n|zz",
            "(1|shop=|victim\\.myshopify\\.com|logged_in_customer_id=|7|m=|timestamp=|t=|x){0,6}",
            0..3,
        ),
        at in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let own = [
            ("logged_in_customer_id", "5"), ("path_prefix", "/p"), ("shop", "evil.myshopify.com"), ("timestamp", "1790000000"),
        ];
        let pairs: Vec<(&str, &str)> = extra.iter().map(|(name, value)| (&name[..], &value[..])).chain(own).collect();
        let query = minted(QueryForm::ShopifyProxy, &pairs);
        let mut lines: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        lines.sort_unstable();
        let Some(forged) = cut(&lines.concat(), &at) else { return Ok(()) };
        let signature = query.rsplit('&').next().expect("a signature");
        let forged = format!("{}&{signature}", form_encoded(&forged, b"-._"));
        if let Ok(claims) = read(QueryForm::ShopifyProxy, &forged) {
            prop_assert_eq!(claims.text(&["logged_in_customer_id"]), Some("5"));
            prop_assert_eq!(claims.text(&["shop"]), Some("evil.myshopify.com"));
            prop_assert_eq!(claims.text(&["timestamp"]), Some("1790000000"));
        }
    }
}
