//! The OpenAPI document: drawn from the routes, so that it lists what is served.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::routes;

/// The document of everything this server answers itself.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_router, document) =
        utoipa_axum::router::OpenApiRouter::with_openapi(Description::openapi())
            .merge(routes::described())
            .split_for_parts();
    document
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Reprise",
        description = "A caching proxy for OpenAI-compatible APIs. Point a client's base URL here; a request answered before is answered from the cache. Paths that are not listed are forwarded to the upstream provider as they are.",
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "Answers", description = "What is cached."),
        (name = "Usage", description = "Who used what, what it cost and what the cache saved."),
        (name = "Providers", description = "Where requests are answered, and which model goes where."),
        (name = "Cache", description = "What is stored: looked at, removed, erased."),
        (name = "Access", description = "Who may use this server, and how."),
        (name = "Administration", description = "Who may do what, and who did what."),
        (name = "Operations", description = "What an operator looks at."),
    ),
    modifiers(&Credentials),
)]
struct Description;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(
            "The key of the upstream provider. It is passed on, and answers are kept apart by it."
                .to_owned(),
        );
        document
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("upstream_key", SecurityScheme::Http(scheme));
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some("What opens this server's administration: the admin key, a key that was given a role, or the token of a session, which browsers send as a cookie instead. The roles an operation needs are named with it; where none is, any role will do."
                .to_owned(),
        );
        document
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("admin_key", SecurityScheme::Http(scheme));
    }
}
