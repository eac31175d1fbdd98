//! The endpoints that answer what people hold, asked by the real gateway and by others.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    Answer, CLIENT, Gateway, Peer, Setup, TENANT, Token, Upstream, exchange, free_port, node, request, root, tool,
};

const FOLDER: &str = "examples/grants-endpoint";
const CREDENTIAL: &str = "Bearer canary-grants-credential";

/// A gateway that asks the endpoint, and shows it this credential.
fn gateway(endpoint: &Peer, upstream: &Upstream, credential: &str) -> Gateway {
    let source = format!(
        "\n[permissions]\nsource = \"http\"\nurl = \"http://{}/grants\"\ntimeout = \"5s\"\n\
         headers = {{ Authorization = {{ env = \"GRANTS_CREDENTIAL\" }} }}\n",
        endpoint.address
    );
    Setup::new(upstream).and(&source).env("GRANTS_CREDENTIAL", credential).start()
}

fn ask(endpoint: &Peer, credential: Option<&str>, body: &str) -> Answer {
    let credential = credential.map(|credential| format!("Authorization: {credential}"));
    let lines: Vec<&str> = credential.iter().map(String::as_str).collect();
    let host = endpoint.address.to_string();
    Answer::read(&exchange(endpoint.address, &request("POST", "/grants", &host, &lines, body.as_bytes())))
}

fn question(host: &str, tenant: &str, id: &str) -> Value {
    json!({ "subject": { "type": "user", "id": id, "properties": { "host": host, "tenant": tenant, "kind": "client" } } })
}

fn serves_the_gateway_and_nobody_else(mut command: Command) {
    let address = free_port();
    command.env("PORT", address.port().to_string()).env("CREDENTIAL", CREDENTIAL);
    let endpoint = Peer::start(&command, address);
    let upstream = Upstream::start();
    let gateway_of_ours = gateway(&endpoint, &upstream, CREDENTIAL);
    let cookie = gateway_of_ours.sign_in(&Token::client());
    for (method, target, status) in [
        ("POST", "/projects/apollo/x", 200),
        ("GET", "/projects/Zeus%20&%20Co", 200),
        ("POST", "/projects/Zeus%20&%20Co", 403),
        ("GET", "/projects/zeus", 403),
    ] {
        let answer = gateway_of_ours.own(method, target, &cookie);
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}\n{}", endpoint.output());
    }
    let stranger = gateway(&endpoint, &upstream, "Bearer another");
    let cookie = stranger.sign_in(&Token::client());
    assert_eq!(stranger.own("GET", "/projects/apollo", &cookie).code(), "permissions_unavailable");

    let known = question("assembly", TENANT, CLIENT);
    assert_eq!(ask(&endpoint, Some(CREDENTIAL), &known.to_string()).json()["subject"], known["subject"]);
    for (credential, body, status) in [
        (None, known.to_string(), 401),
        (Some("Bearer another"), known.to_string(), 401),
        (Some(CREDENTIAL), question("assembly", "22222222-2222-4333-8444-555555555555", CLIENT).to_string(), 404),
        (Some(CREDENTIAL), question("other", TENANT, CLIENT).to_string(), 404),
        (Some(CREDENTIAL), question("assembly", TENANT, "__proto__").to_string(), 404),
        (Some(CREDENTIAL), "nonsense".to_owned(), 400),
        (Some(CREDENTIAL), "{}".to_owned(), 400),
    ] {
        let answer = ask(&endpoint, credential, &body);
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{credential:?} {body}: {}", endpoint.output());
    }
    assert_eq!(ask(&endpoint, Some(CREDENTIAL), &known.to_string()).status, 200, "it still lives");
}

#[test]
fn the_node_endpoint_answers_the_gateway_and_nobody_else() {
    let mut command = node(&format!("{FOLDER}/node"), &[]);
    command.arg("app.mjs");
    serves_the_gateway_and_nobody_else(command);
}

#[test]
fn the_python_endpoint_answers_the_gateway_and_nobody_else() {
    let mut command = tool("python3");
    command.arg("app.py").current_dir(root().join(FOLDER).join("python"));
    serves_the_gateway_and_nobody_else(command);
}
