//! Tenants and their accounts.

use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

/// Tenant of `mycompany` and `fabrikam`.
pub const TENANT_A: Uuid = uuid!("a1a1a1a1-0000-4000-8000-00000000000a");
/// Tenant of `contoso`.
pub const TENANT_B: Uuid = uuid!("b2b2b2b2-0000-4000-8000-00000000000b");
/// The tenant of personal Microsoft accounts, with Microsoft's own id.
pub const PERSONAL_TENANT: Uuid = uuid!("9188040d-6c67-4c5b-b112-36a304b66dad");

/// A tenant: its id and its domain, which is also a valid name of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Tenant {
    /// Tenant id.
    pub id: Uuid,
    /// Verified domain.
    pub domain: String,
}

/// The membership of an account in a tenant.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Membership {
    /// The tenant.
    pub tenant: Uuid,
    /// `oid` of the account there; a guest has a different one at home.
    pub object_id: Uuid,
}

/// An account that can sign in.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Account {
    /// Short name used by the sign-in form and the admin routes: `ada`.
    pub key: String,
    /// Sign-in name.
    pub username: String,
    /// Display name.
    pub name: String,
    /// The account's home tenant.
    pub home: Membership,
    /// Tenants where it is a guest.
    #[serde(default)]
    pub guest_in: Vec<Membership>,
    /// Whether it may consent for the whole home tenant.
    #[serde(default)]
    pub administrator: bool,
}

impl Account {
    /// Returns the account's membership of `tenant`, at home or as a guest, or `None`.
    pub fn membership(&self, tenant: Uuid) -> Option<&Membership> {
        std::iter::once(&self.home)
            .chain(&self.guest_in)
            .find(|membership| membership.tenant == tenant)
    }

    /// Whether this is a personal Microsoft account.
    pub fn is_personal(&self) -> bool {
        self.home.tenant == PERSONAL_TENANT
    }
}

/// The tenants at the start.
pub(crate) fn default_tenants() -> Vec<Tenant> {
    vec![
        Tenant { id: TENANT_A, domain: "mycompany.example".into() },
        Tenant { id: TENANT_B, domain: "contoso.example".into() },
    ]
}

/// The accounts at the start; the crate documentation lists them.
pub(crate) fn default_accounts() -> Vec<Account> {
    let account = |key: &str, username: &str, name: &str, tenant: Uuid, object_id: Uuid| Account {
        key: key.into(),
        username: username.into(),
        name: name.into(),
        home: Membership { tenant, object_id },
        guest_in: Vec::new(),
        administrator: false,
    };
    let mut ada = account(
        "ada",
        "ada@mycompany.example",
        "Ada Lovelace",
        TENANT_A,
        uuid!("ada00000-0000-4000-8000-0000000000a1"),
    );
    ada.administrator = true;
    let grace = account(
        "grace",
        "grace@mycompany.example",
        "Grace Hopper",
        TENANT_A,
        uuid!("0c0b0100-0000-4000-8000-0000000000a2"),
    );
    let alan = account(
        "alan",
        "alan@mycompany.example",
        "Alan Turing",
        TENANT_A,
        uuid!("0e1916a0-0000-4000-8000-0000000000a3"),
    );
    let mut edsger = account(
        "edsger",
        "edsger@contoso.example",
        "Edsger Dijkstra",
        TENANT_B,
        uuid!("ed59e400-0000-4000-8000-0000000000b1"),
    );
    edsger.administrator = true;
    let mut barbara = account(
        "barbara",
        "barbara@contoso.example",
        "Barbara Liskov",
        TENANT_B,
        uuid!("ba4ba4a0-0000-4000-8000-0000000000b2"),
    );
    barbara.guest_in.push(Membership {
        tenant: TENANT_A,
        object_id: uuid!("ba4ba4a0-0000-4000-8000-0000000000a4"),
    });
    let katherine = account(
        "katherine",
        "katherine@personal.example",
        "Katherine Johnson",
        PERSONAL_TENANT,
        uuid!("00000000-0000-0000-4a7e-0000000000c1"),
    );
    vec![ada, grace, alan, edsger, barbara, katherine]
}

/// Changes of an administrator to an account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restrictions {
    /// Sign-in is blocked.
    pub disabled: bool,
    /// Refreshing answers `interaction_required` with these claims until a sign-in satisfies them.
    pub interaction: Option<String>,
    /// Access tokens of capable clients issued before these claims were satisfied are refused.
    pub challenge: Option<String>,
    /// Number of challenges.
    pub challenges: u64,
    /// Number of satisfied challenges.
    pub satisfied: u64,
}
