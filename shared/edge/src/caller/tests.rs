#![allow(clippy::unwrap_used)]
//! Callers against a loopback identity provider and loopback AWS services.

mod authentication;
mod provider;
mod tokens;
mod visibility;

use std::sync::Arc;

use ground::clock::{Clock, StoppedClock};
use http::{HeaderValue, Method};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::config::JwtConfig;
use provider::{Provider, token};

const NOW: i64 = 1_767_225_600;

struct Setup {
    provider: Provider,
    clock: Arc<StoppedClock>,
    verifier: JwtVerifier,
}

impl Setup {
    async fn new() -> Self {
        let provider = Provider::start().await;
        let clock = StoppedClock::at(Timestamp::from_second(NOW).unwrap());
        let config = JwtConfig {
            issuer: provider.issuer.clone(),
            audience: "ado-connect".to_owned(),
            user_claim: "sub".to_owned(),
        };
        let http = ground::http::client().unwrap();
        let verifier = JwtVerifier::new(config, http, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { provider, clock, verifier }
    }

    fn claims(&self) -> Value {
        json!({ "iss": self.provider.issuer, "aud": "ado-connect", "sub": "ada", "exp": NOW + 300 })
    }

    fn claims_with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    async fn verify(&self, token: String) -> Result<String, Refusal> {
        let user = self.verifier.verify(&token.into()).await?;
        assert_eq!(user.issuer(), Some(self.provider.issuer.as_str()));
        Ok(user.name().to_owned())
    }

    async fn rs256(&self, claims: &Value) -> Result<String, Refusal> {
        self.verify(token(&json!({"alg": "RS256", "kid": "rsa-1"}), claims, &provider::rsa_key()))
            .await
    }
}
