//! A request as an adapter gets it.

use crate::key::{Bypass, Rules};
use crate::policy::PolicyOptions;
use crate::wire::{Json, UpstreamKind, deployment, json};

/// A request as an adapter gets it: what of it may be in the question.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The body, empty where there is none.
    pub body: &'a [u8],
    /// What the body says it is.
    pub content_type: Option<&'a str>,
    /// The path below the API's root, without query.
    pub path: &'a str,
    /// The kind of the upstream that answers.
    pub kind: UpstreamKind,
    /// What the operator decides.
    pub policy: &'a PolicyOptions,
}

impl<'a> Asking<'a> {
    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none that is read in one way only.
    pub fn json(&self) -> Result<Json<'a>, Bypass> {
        Ok(json::parse(self.body)?)
    }

    /// What has to be known besides the body to say what it asks.
    pub fn rules(&self) -> Rules {
        Rules {
            kind: self.kind,
            remote_references: self.policy.allow_remote_refs,
            model_in_address: self.deployment().is_some(),
        }
    }

    /// What answers: on Azure the deployment in the address, whatever model the body
    /// names besides; elsewhere the model that the body names.
    pub fn model(&self, named: Option<&str>) -> String {
        self.deployment().or(named).unwrap_or_default().to_owned()
    }

    fn deployment(&self) -> Option<&'a str> {
        deployment(self.path)
    }
}
