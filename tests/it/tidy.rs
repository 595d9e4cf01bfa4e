//! Checks of the code's shape that no lint makes: file length, module docs,
//! which module may use which, and which crate is used where.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of a file outside its tests.
const FILE_LINES_MAX: usize = 500;

/// What is pure: it does no I/O and knows no clock.
const PURE: [&str; 9] = [
    "wire",
    "key",
    "limit",
    "price",
    "policy",
    "entry",
    "ledger",
    "operation",
    "purge",
];

/// Each module and the modules it may use, lowest first. A module not listed
/// here is an error: adding one means saying where it stands.
const LAYERS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("wire", &[]),
    ("key", &["wire"]),
    ("price", &["wire"]),
    ("limit", &[]),
    ("policy", &["clock", "wire"]),
    ("vault", &["key"]),
    ("entry", &["clock", "key", "policy", "vault", "wire"]),
    ("ledger", &["clock", "wire"]),
    ("operation", &["entry", "key", "policy", "wire"]),
    ("purge", &["clock", "entry", "policy", "wire"]),
    (
        "backend",
        &[
            "clock", "entry", "key", "ledger", "limit", "policy", "price", "purge", "vault", "wire",
        ],
    ),
    ("secret_file", &[]),
    (
        "access",
        &[
            "backend",
            "clock",
            "key",
            "ledger",
            "limit",
            "policy",
            "price",
            "secret_file",
            "vault",
            "wire",
        ],
    ),
    ("usage", &["backend", "clock", "ledger", "price", "wire"]),
    ("flight", &["backend", "key"]),
    ("upstream", &["backend", "policy", "price", "vault", "wire"]),
    ("telemetry", &["clock", "usage", "wire"]),
    (
        "proxy",
        &[
            "access",
            "backend",
            "clock",
            "entry",
            "flight",
            "key",
            "ledger",
            "limit",
            "operation",
            "policy",
            "price",
            "purge",
            "telemetry",
            "upstream",
            "usage",
            "wire",
        ],
    ),
    ("mock", &["wire"]),
    (
        "api",
        &[
            "access",
            "backend",
            "clock",
            "entry",
            "key",
            "ledger",
            "limit",
            "policy",
            "price",
            "proxy",
            "purge",
            "telemetry",
            "upstream",
            "usage",
            "vault",
            "wire",
        ],
    ),
    (
        "config",
        &[
            "access",
            "api",
            "backend",
            "flight",
            "limit",
            "mock",
            "policy",
            "price",
            "telemetry",
            "upstream",
            "vault",
            "wire",
        ],
    ),
    (
        "app",
        &[
            "access",
            "api",
            "backend",
            "clock",
            "config",
            "entry",
            "flight",
            "key",
            "limit",
            "mock",
            "policy",
            "price",
            "proxy",
            "secret_file",
            "telemetry",
            "upstream",
            "usage",
            "vault",
            "wire",
        ],
    ),
    (
        "cli",
        &[
            "access",
            "api",
            "app",
            "config",
            "ledger",
            "mock",
            "price",
            "secret_file",
            "telemetry",
            "upstream",
            "usage",
        ],
    ),
    ("lib", &[]),
    ("main", &["cli"]),
];

/// Crates that only some files may name: the crate, the paths it is for, and
/// what the rule protects.
const CRATES: &[(&str, &[&str], &str)] = &[
    (
        "axum",
        &["api/", "mock"],
        "only the server speaks HTTP to clients",
    ),
    (
        "tower_http",
        &["api/"],
        "only the server speaks HTTP to clients",
    ),
    ("utoipa", &["api/"], "only the server describes itself"),
    ("reqwest", &["upstream/"], "one door to the provider"),
    ("opentelemetry", &["telemetry/otlp"], "one exporter"),
    ("opentelemetry_otlp", &["telemetry/otlp"], "one exporter"),
    ("opentelemetry_sdk", &["telemetry/otlp"], "one exporter"),
    ("aws_lc_rs", &["vault"], "one cipher"),
    ("jsonwebtoken", &["access/"], "one reader of tokens"),
    ("redis", &["backend/redis"], "a backend is a folder"),
    ("rusqlite", &["backend/embedded"], "a backend is a folder"),
    ("zstd", &["entry/"], "one codec"),
    ("csv", &["usage/export/"], "a format is a file"),
    ("parquet", &["usage/export/"], "a format is a file"),
    ("clap", &["cli", "config/"], "flags are configuration"),
    ("dotenvy", &["config/"], "one reader of the environment"),
    (
        "toml",
        &["config/", "price/overrides"],
        "what operators write is read in two places",
    ),
];

/// What nothing but the configuration may do.
const ENVIRONMENT: [&str; 4] = ["env::var", "env::vars", "env::var_os", "env::set_var"];

/// What pure modules may not name.
const IMPURE: [&str; 8] = [
    "tokio::",
    "std::fs",
    "std::net",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "Utc::now",
    "async fn",
];

struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

#[test]
fn files_are_short() {
    let long: Vec<_> = sources()
        .iter()
        .filter(|source| FILE_LINES_MAX < before_tests(&source.text).count())
        .map(Source::name)
        .collect();
    assert!(
        long.is_empty(),
        "longer than {FILE_LINES_MAX} lines outside tests: {long:?}"
    );
}

#[test]
fn files_open_with_a_module_doc() {
    let bare: Vec<_> = sources()
        .iter()
        .chain(&files(&root().join("tests")))
        .filter(|source| !source.text.starts_with("//!") && !source.text.starts_with("#![doc"))
        .map(Source::name)
        .collect();
    assert!(bare.is_empty(), "no `//!` on the first line: {bare:?}");
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let mut upward = BTreeSet::new();
    for source in sources() {
        let allowed = LAYERS.iter().find(|(module, _)| *module == source.module);
        let Some((_, allowed)) = allowed else {
            panic!("`{}` has no place in LAYERS", source.module);
        };
        for used in used_modules(&source) {
            if used != source.module && !allowed.contains(&used.as_str()) {
                upward.insert(format!("{} uses {used}", source.name()));
            }
        }
    }
    assert!(upward.is_empty(), "against the layers: {upward:#?}");
}

#[test]
fn layers_have_no_cycle() {
    // Each module may name only modules listed above it, so the order is the proof.
    for (at, (module, uses)) in LAYERS.iter().enumerate() {
        for used in *uses {
            let place = LAYERS.iter().position(|(other, _)| other == used);
            assert!(
                place.is_some_and(|place| place < at),
                "`{module}` lists `{used}`, which is not below it"
            );
        }
    }
}

#[test]
fn crates_are_used_only_where_they_belong() {
    let mut strays = BTreeSet::new();
    for source in sources() {
        for (name, places, why) in CRATES {
            let allowed = places.iter().any(|place| source.name().starts_with(place));
            // The base URL is parsed with the type of its one user.
            let url = *name == "reqwest" && source.module == "config";
            let uses = code(&source.text)
                .filter(|line| !url || line.replace("reqwest::Url", "").contains("reqwest"))
                .any(|line| names_crate(line, name));
            if uses && !allowed {
                strays.insert(format!("{} names {name} ({why})", source.name()));
            }
        }
    }
    assert!(strays.is_empty(), "{strays:#?}");
}

#[test]
fn pure_modules_do_nothing_but_compute() {
    let mut impure = BTreeSet::new();
    for source in sources()
        .iter()
        .filter(|source| PURE.contains(&source.module.as_str()))
    {
        for line in code(&source.text) {
            for what in IMPURE.iter().filter(|what| line.contains(**what)) {
                impure.insert(format!("{} has {what}", source.name()));
            }
        }
    }
    assert!(impure.is_empty(), "{impure:#?}");
}

#[test]
fn only_the_configuration_reads_the_environment() {
    let mut readers = BTreeSet::new();
    for source in sources().iter().filter(|source| source.module != "config") {
        for line in code(&source.text) {
            if ENVIRONMENT.iter().any(|what| line.contains(what)) {
                readers.insert(source.name());
            }
        }
    }
    assert!(readers.is_empty(), "{readers:?}");
}

impl Source {
    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn sources() -> Vec<Source> {
    files(&root().join("src"))
}

/// The Rust files of a folder, but for those that hold only tests.
fn files(folder: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let stem = path.file_stem().unwrap().to_string_lossy();
            let is_test =
                stem == "tests" || stem.ends_with("_tests") || stem.starts_with("contract");
            if path.extension().is_none_or(|extension| extension != "rs") || is_test {
                continue;
            }
            let relative = path.strip_prefix(folder).unwrap().to_owned();
            let module = relative.with_extension("");
            let module = module.iter().next().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            found.push(Source {
                path: relative,
                module,
                text,
            });
        }
    }
    found
}

/// The lines before the test module.
fn before_tests(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]")
}

/// The same without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    before_tests(text).filter(|line| !line.trim_start().starts_with("//"))
}

/// Whether a line names a crate, not a module or a word of that name.
fn names_crate(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// First segments after `crate::` (or `reprise::` in the binary) outside tests,
/// braced lists included.
fn used_modules(source: &Source) -> BTreeSet<String> {
    let code: String = code(&source.text).collect();
    let mut used = BTreeSet::new();
    let roots: &[&str] = if source.module == "main" {
        &["crate::", "reprise::"]
    } else {
        &["crate::"]
    };
    for root in roots {
        for (at, _) in code.match_indices(root) {
            let rest = &code[at + root.len()..];
            let (list, single) = match rest.strip_prefix('{') {
                Some(list) => (list.split("};").next().unwrap(), false),
                None => (rest, true),
            };
            for path in list.split(',').take(if single { 1 } else { usize::MAX }) {
                let name: String = path
                    .trim()
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                    .collect();
                if !name.is_empty() && name != "self" {
                    used.insert(name);
                }
            }
        }
    }
    used
}
