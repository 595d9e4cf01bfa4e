//! Of what is erased nothing is left: not in memory, not in the store, not on the disk.

use std::path::Path;

use serde_json::json;

use crate::support::{ALICE, House, Store, in_time, on_each_store, question, stored, stored_now};

const BOB: &str = "sk-test-bob";

/// Whether any file below a folder has these bytes in it.
fn is_on_disk(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|file| {
        let path = file.unwrap().path();
        if path.is_dir() {
            return is_on_disk(&path, bytes);
        }
        let content = std::fs::read(&path).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

/// Whether anything of a stored value is left: its last bytes are its answer's, and
/// nobody else's.
fn is_left(house: &House, value: &[u8]) -> bool {
    let end = &value[value.len() - 40..];
    let in_store = stored_now(house)
        .iter()
        .any(|other| other.value.windows(end.len()).any(|window| window == end));
    in_store || (house.redis.is_none() && is_on_disk(&house.data_folder(), end))
}

on_each_store! {
    async fn an_erased_tenant_leaves_no_byte_and_others_keep_theirs(store) {
        let house = House::start(store).await;
        let asked = question("the same of both");
        assert_eq!(house.ask_as(ALICE, &asked).await, "MISS");
        let first = stored(&house, 1).await;
        let tenant = house.entries("").await[0]["tenant"].as_str().unwrap().to_owned();
        assert_eq!(house.ask_as(ALICE, &question("another")).await, "MISS");
        assert_eq!(house.ask_as(BOB, &asked).await, "MISS");
        stored(&house, 3).await;
        let value = &first.first().unwrap().value;
        assert!(is_left(&house, value), "the search finds what is there");

        let erased = house.order("DELETE", &format!("/admin/v1/tenants/{tenant}")).await;
        assert_eq!(erased.status, 202, "{}", erased.text());
        let erased = erased.json();
        assert_eq!((&erased["kept"], &erased["tenant"]), (&json!(["usage"]), &json!(tenant)));
        let purge = house.purged(&erased["purge"]).await;
        assert_eq!(purge["progress"]["removed"], 2);
        assert_eq!(stored_now(&house).len(), 1);
        assert!(!is_left(&house, value));
        assert_eq!(house.ask_as(BOB, &asked).await, "HIT");
        assert_eq!(house.ask_as(ALICE, &asked).await, "MISS");
    }

    async fn a_name_that_looks_like_a_command_is_a_name(store) {
        let house = House::start(store).await;
        house.ask_as(ALICE, &question("stays")).await;
        stored(&house, 1).await;
        let path = "/admin/v1/tenants/a*%3A%7Bx%7D%0D%0AFLUSHALL";
        let erased = house.order("DELETE", path).await.json();
        assert_eq!(erased["tenant"], "a*:{x}\r\nFLUSHALL");
        assert_eq!(house.purged(&erased["purge"]).await["progress"]["removed"], 0);
        let everyone = house.order("DELETE", "/admin/v1/tenants/*").await.json();
        house.purged(&everyone["purge"]).await;
        assert_eq!(house.ask_as(ALICE, &question("stays")).await, "HIT");
    }

    async fn what_is_erased_by_its_tag_leaves_no_byte(store) {
        let house = House::start(store).await;
        house.ask_tagged(&question("mine"), "person=17").await;
        let first = stored(&house, 1).await;
        house.ask_tagged(&question("yours"), "person=18").await;
        stored(&house, 2).await;
        let begun = house.invalidate(&json!({"tag": "person=17"})).await;
        house.purged(&begun.json()).await;
        assert!(!is_left(&house, &first.first().unwrap().value));
        assert_eq!(house.ask_tagged(&question("yours"), "person=18").await, "HIT");
    }
}
