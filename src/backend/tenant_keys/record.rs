//! What is kept of a tenant's key.

use serde::{Deserialize, Serialize};

use crate::vault::DataKeyId;

/// What is kept of a tenant's key: all of it, but sealed.
#[derive(Clone, Debug)]
pub(super) struct TenantKey {
    /// Whose it is.
    pub(super) tenant: String,
    /// Its name.
    pub(super) id: DataKeyId,
    /// Itself, sealed under a master key.
    pub(super) sealed: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    tenant: String,
    #[serde(with = "hex::serde")]
    id: [u8; DataKeyId::BYTES],
    #[serde(with = "hex::serde")]
    sealed: Vec<u8>,
}

impl TenantKey {
    /// Reads it as it is kept.
    ///
    /// # Errors
    /// If it is something else.
    pub(super) fn read(content: &[u8]) -> Result<Self, serde_json::Error> {
        let Kept { tenant, id, sealed } = serde_json::from_slice(content)?;
        let id = DataKeyId(id);
        Ok(Self { tenant, id, sealed })
    }

    /// As it is kept.
    ///
    /// # Errors
    /// None that can come: the reader of an error decides.
    pub(super) fn write(self) -> Result<Vec<u8>, serde_json::Error> {
        let Self { tenant, id, sealed } = self;
        let id = id.0;
        serde_json::to_vec(&Kept { tenant, id, sealed })
    }
}

/// The id of a tenant's document: tenants may be called what they like.
pub(super) fn document_id(tenant: &str) -> String {
    format!("t-{}", hex::encode(tenant))
}
