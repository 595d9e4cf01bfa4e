//! What a request says in the words of other gateways: heard when it is admitted, held
//! to what its caller may ask, and answered in the same words.

use bytes::Bytes;
use http::HeaderMap;

use super::{Admitted, Asked, Proxy, Reply};
use crate::access::{Principal, Rights};
use crate::policy::{Accents, Beyond, Directives, Spoken};
use crate::upstream::Upstream;
use crate::wire::Operation;

impl Proxy {
    /// Hears the headers of a request and takes out what is not for its provider.
    pub(super) fn hear_headers(
        &self,
        asked: &mut Asked,
        principal: &Principal,
        upstream: &Upstream,
    ) -> Spoken {
        let mut spoken = Spoken::take(&mut asked.headers, beyond(upstream));
        self.hold(&mut spoken, principal);
        spoken
    }

    /// Hears the body of a request and gives it without what was meant for a gateway.
    pub(super) fn hear_body(&self, admitted: &mut Admitted, body: Bytes) -> Bytes {
        let heard = admitted.spoken.hear_body(&body);
        self.hold(&mut admitted.spoken, &admitted.principal);
        // Where there is no source of random numbers the first answer is as good.
        let random = || getrandom::u32().unwrap_or_default();
        admitted.spoken.choose(random);
        let Some(body) = heard else { return body };
        let operation = admitted.account.operation();
        admitted.directives = self.directives(
            &admitted.asked.headers,
            &admitted.spoken,
            operation,
            &admitted.principal.rights,
        );
        body.into()
    }

    /// What a request asks of the cache, as far as it may.
    pub(super) fn directives(
        &self,
        headers: &HeaderMap,
        spoken: &Spoken,
        operation: Operation,
        rights: &Rights,
    ) -> Directives {
        let mut directives = Directives::of(headers, spoken, operation, &self.policy);
        rights.clamp(&mut directives);
        directives
    }

    /// Keeps a request apart only where its caller may: a part of the key that is always
    /// another one is as good as `no-cache`.
    fn hold(&self, spoken: &mut Spoken, principal: &Principal) {
        let may_part = if principal.is_ours {
            principal.rights.namespaces
        } else {
            self.policy.clients_may_bypass
        };
        if !may_part {
            spoken.join_others();
        }
    }
}

impl Admitted {
    /// Takes out of the headers what is not for the provider the request goes to now.
    pub(super) fn leave_behind(&mut self) {
        let beyond = beyond(&self.upstream);
        self.spoken.leave_behind(&mut self.asked.headers, beyond);
    }
}

/// An answer that says what the cache did in the words of whoever asked.
pub(super) fn answered(accents: Accents, mut reply: Reply) -> Reply {
    accents.answer(reply.outcome, &mut reply.headers);
    reply
}

fn beyond(upstream: &Upstream) -> Beyond<'_> {
    Beyond {
        host: upstream.base().host_str().unwrap_or_default(),
        kind: upstream.kind(),
    }
}
