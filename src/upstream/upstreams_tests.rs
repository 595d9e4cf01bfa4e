//! What of providers is held, and where requests go.

use secrecy::ExposeSecret;

use super::CredentialOf::{Caller, Default as Lent, Provider as Own};
use super::*;
use crate::vault::MasterKey;

const CANARY: &str = "sk-canary-0123456789";

fn options() -> UpstreamOptions {
    let patience = std::time::Duration::from_secs(1);
    UpstreamOptions {
        base: super::super::UpstreamBase::Mock,
        kind: crate::wire::UpstreamKind::OpenAi,
        api_key: None,
        connect_timeout: patience,
        first_byte_timeout: patience,
        idle_timeout: patience,
    }
}

fn upstreams(master: &str) -> Upstreams {
    let default = Upstream::new("https://llm.example/v1".parse().unwrap(), &options()).unwrap();
    let vault = Vault::new(vec![MasterKey::of(1, master)]);
    Upstreams::new(Arc::new(default), Arc::new(vault), &options()).unwrap()
}

fn record(name: &str) -> ProviderRecord {
    serde_json::from_value(serde_json::json!({
        "name": name, "kind": "openai", "base_url": "https://llm.example/v1",
        "models": [format!("{name}-*")],
    }))
    .unwrap()
}

fn told(upstreams: &Upstreams, record: &ProviderRecord, revision: u64) -> Document {
    let credential = SecretString::from(CANARY);
    Document {
        id: record.name.clone(),
        revision,
        content: Some(upstreams.document(record, Some(&credential)).unwrap()),
    }
}

fn changes(documents: Vec<Document>) -> Changes {
    Changes {
        revision: 9,
        whole: false,
        documents,
    }
}

fn target(upstreams: &Upstreams, model: &str, credential: CredentialOf) -> Arc<str> {
    upstreams.route(model, credential).upstream.name()
}

#[tokio::test]
async fn a_sealed_credential_is_read_again_and_never_seen() {
    let upstreams = upstreams("one");
    let document = told(&upstreams, &record("a"), 1);
    let text = String::from_utf8(document.content.clone().unwrap().into()).unwrap();
    assert!(!text.contains("canary"), "{text}");
    upstreams.follow(&changes(vec![document]));
    let provider = upstreams.find("a").unwrap();
    assert_eq!(provider.credential().unwrap().expose_secret(), CANARY);
    assert!(!format!("{upstreams:?}").contains("canary"));
}

#[tokio::test]
async fn what_was_sealed_elsewhere_or_changed_since_is_listed_and_not_used() {
    let (own, other) = (upstreams("one"), upstreams("two"));
    let mut tampered = told(&own, &record("b"), 2);
    let text = String::from_utf8(tampered.content.unwrap().into()).unwrap();
    let text = text.replace("https://llm.example/v1", "https://evil.example/v1");
    tampered.content = Some(text.into());
    own.follow(&changes(vec![told(&other, &record("a"), 1), tampered]));
    for name in ["a", "b"] {
        let provider = own.find(name).unwrap();
        assert!(provider.upstream.is_err() && !provider.is_open());
        let model = format!("{name}-1");
        assert_eq!(&*target(&own, &model, Own), "mock");
    }
    assert!(own.is_single());
}

#[tokio::test]
async fn only_what_has_changed_is_made_anew() {
    let upstreams = upstreams("one");
    let (a, b) = (
        told(&upstreams, &record("a"), 1),
        told(&upstreams, &record("b"), 2),
    );
    upstreams.follow(&changes(vec![a.clone(), b]));
    let route = |model| upstreams.route(model, Own).upstream;
    let (first_a, first_b) = (route("a-1"), route("b-1"));
    let whole = Changes {
        whole: true,
        ..changes(vec![a, told(&upstreams, &record("b"), 3)])
    };
    upstreams.follow(&whole);
    assert!(Arc::ptr_eq(&first_a, &route("a-1")));
    assert!(!Arc::ptr_eq(&first_b, &route("b-1")));
    let gone = Document {
        id: "a".to_owned(),
        revision: 4,
        content: None,
    };
    upstreams.follow(&changes(vec![gone]));
    assert_eq!(&*route("a-1").name(), "mock");
    assert!(upstreams.find("a").is_none());
}

#[tokio::test]
async fn nobodys_credential_goes_where_it_is_not_expected() {
    let upstreams = upstreams("one");
    let mut open = record("open");
    open.pass_through = true;
    let mut off = record("off");
    off.disabled = true;
    let records = [record("own"), open, off];
    let documents = records.iter().enumerate();
    let documents = documents.map(|(at, record)| told(&upstreams, record, at as u64 + 1));
    upstreams.follow(&changes(documents.collect()));
    for (model, credential, provider) in [
        ("own-1", Own, "own"),
        ("own-1", Caller, "mock"),
        ("own/x", Caller, "mock"),
        ("own-1", Lent, "mock"),
        ("open-1", Own, "open"),
        ("open-1", Caller, "open"),
        ("open/x", Caller, "open"),
        ("open-1", Lent, "mock"),
        ("open/x", Lent, "mock"),
        ("off-1", Own, "mock"),
    ] {
        assert_eq!(
            &*target(&upstreams, model, credential),
            provider,
            "{model} {credential:?}"
        );
    }
    let kept = upstreams.route("own/x", Caller);
    assert_eq!(kept.model, None);
}
