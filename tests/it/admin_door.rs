//! The administration has a door of its own: a key with a role, or a session. What may
//! be done with which role is taken from the `OpenAPI` document, so that a route that is
//! added later is tried as well.

use serde_json::{Value, json};

use crate::support::{ADMIN, ALICE, Client, House, Request, Response, Store, in_time};

/// Fewer operations than these mean that the document is not what it was.
const OPERATIONS_MIN: usize = 15;

/// An operation of the administration, as the document describes it.
#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    roles: Vec<String>,
    has_body: bool,
}

impl Operation {
    fn request(&self) -> Request {
        let request = Request::new(&self.method, &self.path);
        if self.has_body {
            request
                .header("content-type", "application/json")
                .body("{}")
        } else {
            request
        }
    }

    /// What nobody would get an answer to who got as far as being understood.
    fn nonsense(&self) -> Request {
        let target = format!("{}?limit=x&days=x&start_time=x", self.path);
        let request = Request::new(&self.method, &target);
        if self.has_body {
            request.header("content-type", "text/plain").body("{")
        } else {
            request
        }
    }
}

/// Every operation of the administration that the running server describes.
async fn operations(client: Client) -> Vec<Operation> {
    let document = client.get("/openapi.json").await.json();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/admin/") && !path.starts_with("/v1/organization/") {
            continue;
        }
        for (method, operation) in methods.as_object().unwrap() {
            let security = operation["security"].as_array();
            let security = security.unwrap_or_else(|| panic!("{method} {path} is open"));
            let roles = security.iter().find_map(|one| one["admin_key"].as_array());
            let roles = roles.unwrap_or_else(|| panic!("{method} {path} is open"));
            found.push(Operation {
                method: method.to_ascii_uppercase(),
                path: filled(path, operation),
                roles: roles
                    .iter()
                    .map(|role| role.as_str().unwrap().to_owned())
                    .collect(),
                has_body: operation["requestBody"].is_object(),
            });
        }
    }
    assert!(
        OPERATIONS_MIN <= found.len(),
        "only {} operations",
        found.len()
    );
    found
}

/// A path with something in the place of its parameters: what the document gives as an
/// example, or a name that nothing has.
fn filled(path: &str, operation: &Value) -> String {
    let mut filled = path.to_owned();
    for parameter in operation["parameters"].as_array().unwrap_or(&Vec::new()) {
        let name = parameter["name"].as_str().unwrap();
        let example = parameter["example"].as_str().unwrap_or("none-such");
        filled = filled.replace(&format!("{{{name}}}"), example);
    }
    assert!(
        !filled.contains('{'),
        "a parameter of {path} is not described"
    );
    filled
}

/// The status of an answer, of which only the head is read: some do not end.
async fn status(house: &House, request: &Request) -> u16 {
    house.client().open(request).await.so_far().status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_closed_to_strangers_and_open_to_the_owner() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        for operation in operations(house.client()).await {
            for request in [operation.request(), operation.nonsense()] {
                for stranger in [
                    request.clone(),
                    request.clone().bearer("rk-admin-wrong"),
                    request.clone().bearer("rpk_wrong"),
                    request.clone().bearer("rps_wrong"),
                    request.clone().bearer(""),
                    request.clone().header("authorization", ADMIN),
                    request
                        .clone()
                        .header("cookie", "reprise_session=rps_wrong"),
                ] {
                    let answer = house.send(&stranger).await;
                    assert_eq!(answer.status, 401, "{operation:?}");
                    assert_eq!(answer.error_code(), "invalid_admin_key", "{operation:?}");
                    assert!(answer.header("www-authenticate").is_some());
                }
            }
            let owner = operation.request().bearer(ADMIN);
            let answered = status(&house, &owner).await;
            assert!(![401, 403].contains(&answered), "{answered}: {operation:?}");
        }
        assert_eq!(house.upstream.calls(), 0);
    })
    .await;
}

/// A key of ours with these roles.
async fn key_with(house: &House, roles: &[&str]) -> String {
    let body = json!({"name": "of a test", "tenant": "acme", "roles": roles});
    let request = Request::post("/admin/v1/keys", body.to_string()).bearer(ADMIN);
    let made = house.send(&request).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["key"].as_str().unwrap().to_owned()
}

/// The roles that do not include one.
fn others(role: &str) -> Vec<&'static str> {
    let including: &[&str] = match role {
        "purge_own" => &["purge_own", "purge_all", "owner"],
        "read_usage" => &["read_usage", "owner"],
        "purge_all" => &["purge_all", "owner"],
        "manage_keys" => &["manage_keys", "owner"],
        "owner" => &["owner"],
        other => panic!("{other} is no role"),
    };
    let all = [
        "read_usage",
        "purge_own",
        "purge_all",
        "manage_keys",
        "owner",
    ];
    all.into_iter()
        .filter(|other| !including.contains(other))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_asks_for_its_role_before_it_looks_at_the_request() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        let without = key_with(&house, &[]).await;
        for operation in operations(house.client()).await {
            let mut refused = vec![without.clone()];
            for role in &operation.roles {
                refused.push(key_with(&house, &others(role)).await);
            }
            for key in refused {
                for request in [operation.request(), operation.nonsense()] {
                    let answer = house.send(&request.bearer(&key)).await;
                    assert_eq!(answer.status, 403, "{operation:?}: {}", answer.text());
                    assert_eq!(answer.error_code(), "role_missing", "{operation:?}");
                }
            }
            let any = vec!["read_usage".to_owned()];
            let needed = if operation.roles.is_empty() {
                &any
            } else {
                &operation.roles
            };
            let needed: Vec<&str> = needed.iter().map(String::as_str).collect();
            let key = key_with(&house, &needed).await;
            let answered = status(&house, &operation.request().bearer(&key)).await;
            assert!(![401, 403].contains(&answered), "{answered}: {operation:?}");
        }
        assert_eq!(house.upstream.calls(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_may_do_no_more_than_its_key_and_ends_with_it() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        let body = json!({"name": "of a test", "tenant": "acme", "roles": ["read_usage"]});
        let request = Request::post("/admin/v1/keys", body.to_string()).bearer(ADMIN);
        let made = house.send(&request).await.json();
        let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
        let token = signed_in(&house, key).await["token"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(get(&house, "/admin/v1/health", &token).await.status, 200);
        let refused = get(&house, "/admin/v1/audit", &token).await;
        assert_eq!(
            (refused.status, refused.error_code().as_str()),
            (403, "role_missing")
        );
        let revoke = Request::new("DELETE", &format!("/admin/v1/keys/{id}")).bearer(ADMIN);
        let revoked = house.send(&revoke).await;
        assert!(revoked.status < 300, "{}", revoked.text());
        assert_eq!(get(&house, "/admin/v1/health", &token).await.status, 401);
    })
    .await;
}

/// What is told of a session that was opened just now.
async fn signed_in(house: &House, key: &str) -> Value {
    let opened = house
        .send(&Request::post("/admin/v1/sessions", "").bearer(key))
        .await;
    assert_eq!(opened.status, 201, "{}", opened.text());
    opened.json()
}

async fn get(house: &House, path: &str, bearer: &str) -> Response {
    house.send(&Request::new("GET", path).bearer(bearer)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_administration_reaches_the_provider() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        let session = signed_in(&house, ADMIN).await;
        let token = session["token"].as_str().unwrap();
        for path in ["/v1/models", "/v1/files", "/v1/chat/completions"] {
            let astray = Request::post(path, "{}").bearer(token);
            let refused = house.send(&astray).await;
            assert_eq!(
                (refused.status, refused.error_code().as_str()),
                (401, "not_an_api_key")
            );
            let astray = Request::new("GET", path).header("x-api-key", token);
            assert_eq!(house.send(&astray).await.status, 401, "{path}");
        }
        for path in ["/admin", "/admin/none", "/v1/organization/projects"] {
            let refused = get(&house, path, token).await;
            assert_eq!(
                (refused.status, refused.error_code().as_str()),
                (404, "not_found")
            );
        }
        assert_eq!(house.upstream.calls() + house.upstream.probes(), 0);
        let cookies = format!("a=b; reprise_session={token}; c=d");
        let passed = Request::post("/v1/files", "{}")
            .bearer("sk-test")
            .header("cookie", &cookies);
        assert_eq!(house.send(&passed).await.status, 200);
        assert_eq!(house.upstream.last().header("cookie"), Some("a=b; c=d"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_given_under_known_names_and_made_safe_for_browsers() {
    in_time(async {
        let house = House::with(Store::Embedded)
            .set("REPRISE_ADMIN_HOSTS", "cache.example, Other.example")
            .start()
            .await;
        let pages = [
            "/",
            "/docs",
            "/docs/",
            "/openapi.json",
            "/admin/v1/usage",
            "/admin",
        ];
        let under = async |path: &str, host: &str| {
            let request = Request::new("GET", path).header("host", host);
            let is_closed = path.starts_with("/admin");
            let request = if is_closed {
                request.bearer(ADMIN)
            } else {
                request
            };
            house.send(&request).await
        };
        for page in pages {
            for forged in [
                "evil.example",
                "localhost.evil.example:8080",
                "cache.example.evil",
            ] {
                let refused = under(page, forged).await;
                assert_eq!(refused.status, 421, "{page} as {forged}");
                assert_eq!(refused.error_code(), "misdirected_request");
            }
            for known in [
                "localhost:1",
                "127.0.0.1",
                "[::1]:9",
                "CACHE.example",
                "other.example:443",
            ] {
                let given = under(page, known).await;
                assert_ne!(given.status, 421, "{page} as {known}");
                let policy = given.header("content-security-policy").unwrap();
                assert!(policy.starts_with("default-src 'self';"));
                assert!(policy.contains("frame-ancestors 'none'"));
                assert_eq!(given.header("x-content-type-options"), Some("nosniff"));
                assert_eq!(given.header("referrer-policy"), Some("no-referrer"));
                assert_eq!(given.header("x-frame-options"), Some("DENY"));
                assert_eq!(given.header("access-control-allow-origin"), None);
                let kept = given.header("cache-control");
                assert_eq!(
                    kept == Some("no-store"),
                    page.starts_with("/admin"),
                    "{page}"
                );
            }
        }
        let api = Request::new("GET", "/v1/models").header("host", "evil.example");
        let api = house.send(&api.bearer(ALICE)).await;
        assert_eq!(api.status, 200);
        assert_eq!(api.header("content-security-policy"), None);
    })
    .await;
}
