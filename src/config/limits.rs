//! What callers are held to that have no limits of their own.

use std::time::Duration;

use ipnet::IpNet;

use super::read::Reader;
use crate::access::{Allowance, LimitOptions, OnOutage, PerPeriod};
use crate::limit::LIMIT_MAX;

pub(super) fn limits(reader: &mut Reader<'_>, patience: Duration) -> LimitOptions {
    let per_minute = |count| PerPeriod {
        minute: count,
        ..PerPeriod::default()
    };
    let default = Allowance {
        requests: per_minute(count(reader, "default_requests_per_minute", LIMIT_MAX)),
        tokens: per_minute(count(reader, "default_tokens_per_minute", LIMIT_MAX)),
        concurrent: count(reader, "default_concurrent", u64::from(u32::MAX))
            .and_then(|count| u32::try_from(count).ok()),
        ..Allowance::default()
    };
    let wanted = "local, open or closed";
    let on_outage = OnOutage::default();
    LimitOptions {
        default,
        address_per_minute: count(reader, "ip_requests_per_minute", LIMIT_MAX),
        on_outage: reader.value("limits_on_outage", wanted, on_outage, |text| match text {
            "local" => Some(OnOutage::Local),
            "open" => Some(OnOutage::Open),
            "closed" => Some(OnOutage::Closed),
            _ => None,
        }),
        patience,
    }
}

pub(super) fn trusted_proxies(reader: &mut Reader<'_>) -> Vec<IpNet> {
    let wanted = "networks such as 10.0.0.0/8 or fd00::/8, or addresses, with commas between them";
    reader.value("trusted_proxies", wanted, Vec::new(), |text| {
        let networks = text.split(',').map(|part| network(part.trim()));
        networks.collect()
    })
}

fn network(text: &str) -> Option<IpNet> {
    let address = || {
        text.parse()
            .ok()
            .map(|address: std::net::IpAddr| address.into())
    };
    text.parse().ok().or_else(address)
}

/// A limit; `None` where none is set.
fn count(reader: &mut Reader<'_>, name: &'static str, most: u64) -> Option<u64> {
    let wanted = format!("a whole number from 1 to {most}, or 0 for no limit");
    reader.value(name, &wanted, None, |text| {
        let count: u64 = text.parse().ok()?;
        (count <= most).then_some(Some(count).filter(|count| *count > 0))
    })
}
