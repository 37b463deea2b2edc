//! The national clouds, and the authority from which everything else is discovered.

use std::str::FromStr;

use ground::http::is_trustworthy;
use url::{Url, form_urlencoded};

use crate::identifiers::{ClientId, Tenant};

/// The `state` with which an administrator comes back from consenting. It protects nothing, because nothing is done then.
pub const ADMIN_CONSENT_STATE: &str = "consent";

/// A national cloud of Microsoft, by name.
/// <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// The public cloud.
    Public,
    /// Azure for US Government.
    UsGovernment,
    /// Microsoft Azure operated by 21Vianet.
    China,
}

/// A cloud name or a URL that cannot be an authority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// The text is not the name of a cloud.
    #[error("a cloud is public, us_government or china")]
    UnknownCloud,
    /// The URL is neither https nor on this machine, or has credentials, a query or a fragment.
    #[error("must be https, or http on this machine, without credentials, query or fragment")]
    UnsafeUrl,
}

impl FromStr for Cloud {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Self, AuthorityError> {
        match text {
            "public" => Ok(Self::Public),
            "us_government" => Ok(Self::UsGovernment),
            "china" => Ok(Self::China),
            _ => Err(AuthorityError::UnknownCloud),
        }
    }
}

impl Cloud {
    const fn host(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGovernment => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
        }
    }

    /// Returns the audience of an assertion with which another identity provider vouches for the app.
    /// <https://learn.microsoft.com/graph/api/resources/federatedidentitycredential>
    pub const fn token_exchange_audience(self) -> &'static str {
        match self {
            Self::Public => "api://AzureADTokenExchange",
            Self::UsGovernment => "api://AzureADTokenExchangeUSGov",
            Self::China => "api://AzureADTokenExchangeChina",
        }
    }
}

/// The base URL that replaces `https://login.microsoftonline.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Without a slash at the end.
    base: String,
}

impl From<Cloud> for Authority {
    fn from(cloud: Cloud) -> Self {
        Self { base: cloud.host().to_owned() }
    }
}

impl Authority {
    /// Returns the authority at another server: loopback or https.
    ///
    /// # Errors
    /// [`AuthorityError::UnsafeUrl`] if the URL is neither, or has credentials, a query or a fragment.
    #[expect(clippy::needless_pass_by_value, reason = "an authority is made of it")]
    pub fn from_override(url: Url) -> Result<Self, AuthorityError> {
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if plain && is_trustworthy(&url) {
            Ok(Self { base: url.as_str().trim_end_matches('/').to_owned() })
        } else {
            Err(AuthorityError::UnsafeUrl)
        }
    }

    /// Returns the URL of a tenant's discovery document.
    pub fn metadata_url(&self, tenant: &Tenant) -> String {
        format!("{}/{tenant}/v2.0/.well-known/openid-configuration", self.base)
    }

    /// Returns the URL where an administrator of any tenant consents to an app for all users of that tenant: to the
    /// permissions of its registration for one resource. The browser returns to `redirect_uri`, with
    /// `admin_consent=True`.
    /// <https://learn.microsoft.com/entra/identity-platform/v2-admin-consent>
    pub fn admin_consent_url(
        &self,
        client_id: &ClientId,
        resource_id: &str,
        redirect_uri: &Url,
    ) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &client_id.to_string())
            .append_pair("scope", &format!("{resource_id}/.default"))
            .append_pair("redirect_uri", redirect_uri.as_str())
            .append_pair("state", ADMIN_CONSENT_STATE)
            .finish();
        format!("{}/{}/v2.0/adminconsent?{query}", self.base, Tenant::Organizations)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn clouds_go_by_name() {
        for (name, host) in [
            ("public", "https://login.microsoftonline.com/"),
            ("us_government", "https://login.microsoftonline.us/"),
            ("china", "https://login.partner.microsoftonline.cn/"),
        ] {
            let authority = Authority::from(name.parse::<Cloud>().unwrap());
            let url = authority.metadata_url(&Tenant::Organizations);
            assert_eq!(url, format!("{host}organizations/v2.0/.well-known/openid-configuration"));
        }
        assert!("moon".parse::<Cloud>().is_err());
    }

    #[test]
    fn another_authority_is_https_or_on_this_machine() {
        let take = |text: &str| Authority::from_override(text.parse().unwrap());
        for good in [
            "https://entra.mycompany.example",
            "http://localhost:8081/",
            "http://127.0.0.1:9",
            "http://[::1]:9",
        ] {
            assert!(take(good).is_ok(), "{good}");
        }
        for bad in [
            "http://entra.mycompany.example",
            "http://localhost.evil.example",
            "https://u:p@e.example",
            "https://e.example/?x",
            "ftp://localhost",
        ] {
            assert!(take(bad).is_err(), "{bad}");
        }
    }
}
