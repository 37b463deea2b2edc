//! The parts of a deployment, as the configuration names them. Each function takes the parts that it needs, all on
//! one clock, one HTTP client and one set of AWS clients.

use std::sync::Arc;

use devops::client::DevopsClient;
use entra::graph::Graph;
use entra::jwks::KeyCache;
use entra::metadata::MetadataCache;
use entra::token::TokenClient;
use ground::clock::{Clock, SystemClock};
use ground::http::ClientError;
use ground::random::Random;
use url::Url;
use vault::api_keys::ApiKeys;
use vault::audit::Audit;
use vault::aws::Clients;
use vault::call_items::CallItemReader;
use vault::client_credentials::ClientCredentials;
use vault::connections::Connections;
use vault::events::Events;
use vault::federation::Federation;
use vault::integrations::Integrations;
use vault::limits::LimitLedger;
use vault::operator_key::OperatorKey;
use vault::passes::Passes;
use vault::refresh::{Parts, Refresher};
use vault::sealing::Sealer;
use vault::service::Service;
use vault::sessions::Sessions;
use vault::tallies::Tallies;
use vault::tokens::TokenStore;

use crate::caller::Authenticator;
use crate::caller::jwt::JwtVerifier;
use crate::config::Config;
use crate::metrics;

/// The parts of a deployment.
pub struct Deployment {
    /// The function's configuration.
    pub config: Config,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for secrets and jitter.
    pub random: Random,
    /// The client for Entra and Azure DevOps; making one takes milliseconds, so there is one.
    pub http: reqwest::Client,
    /// The audit trail. One for all parts, so that its losses are counted once.
    pub audit: Audit,
    aws: Clients,
}

impl Deployment {
    /// Makes the clients for a configuration, without any call.
    ///
    /// # Errors
    /// If the TLS back end cannot be set up.
    pub async fn new(config: Config) -> Result<Self, ClientError> {
        if let Some(namespace) = &config.metrics_namespace {
            metrics::use_namespace(namespace);
        }
        let (clock, random) = (Arc::new(SystemClock), Random::System);
        let http = ground::http::client()?;
        let aws = Clients::from_environment(http.clone().into()).await;
        let (table, days) = (config.tables.audit.clone(), config.audit_days.get());
        let audit =
            Audit::new(aws.dynamodb.clone(), table, days, Arc::clone(&clock) as _, random.clone());
        Ok(Self { config, clock, random, http, audit, aws })
    }

    /// The authentication of callers.
    pub fn authenticator(&self) -> Authenticator {
        let jwt = self
            .config
            .jwt
            .clone()
            .map(|jwt| JwtVerifier::new(jwt, self.http.clone(), Arc::clone(&self.clock)));
        let operator_key = OperatorKey::new(
            self.aws.secrets_manager(),
            self.config.operator_key_secret.clone(),
            Arc::clone(&self.clock),
        );
        Authenticator::new(
            self.api_keys(),
            operator_key,
            self.limits(),
            jwt,
            self.config.cors_origins.clone(),
            Arc::clone(&self.clock),
        )
    }

    /// API keys.
    pub fn api_keys(&self) -> ApiKeys {
        ApiKeys::new(self.aws.dynamodb.clone(), self.config.tables.integrations.clone())
    }

    /// The items that decide about a call under way.
    pub fn call_items(&self) -> CallItemReader {
        let direct = self.aws.direct_reads(self.http.clone().into(), Arc::clone(&self.clock));
        CallItemReader::new(self.aws.dynamodb.clone(), direct, &self.config.tables)
    }

    /// Integrations.
    pub fn integrations(&self) -> Integrations {
        Integrations::new(self.aws.dynamodb.clone(), self.config.tables.integrations.clone())
    }

    /// The kill switch and the other settings of the whole service.
    pub fn service(&self) -> Service {
        let table = self.config.tables.integrations.clone();
        Service::new(self.aws.dynamodb.clone(), table, Arc::clone(&self.clock))
    }

    /// Connect sessions and authorization requests.
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.aws.dynamodb.clone(), self.config.tables.sessions.clone())
    }

    /// The use of the operator's limits on proxied calls.
    pub fn limits(&self) -> LimitLedger {
        LimitLedger::new(self.aws.dynamodb.clone(), self.config.tables.sessions.clone())
    }

    /// The counts of each hour.
    pub fn tallies(&self) -> Tallies {
        let table = self.config.tables.sessions.clone();
        Tallies::new(self.aws.dynamodb.clone(), table, Arc::clone(&self.clock))
    }

    /// Connections.
    pub fn connections(&self) -> Connections {
        let shards = self.config.refresh_shards.get();
        Connections::new(self.aws.dynamodb.clone(), &self.config.tables, shards)
    }

    /// Sealed tokens.
    pub fn tokens(&self) -> TokenStore {
        let key_id = self.config.tokens_key_id.clone();
        let sealer = Sealer::new(self.aws.kms(), key_id, Arc::clone(&self.clock))
            .also_opening(self.config.former_tokens_key_id.clone());
        TokenStore::new(self.aws.dynamodb.clone(), self.config.tables.tokens.clone(), sealer)
    }

    /// The passes of MCP clients.
    pub fn passes(&self) -> Passes {
        Passes::new(self.aws.dynamodb.clone(), self.config.tables.passes.clone())
    }

    /// Client credentials.
    pub async fn client_credentials(&self) -> ClientCredentials {
        ClientCredentials::new(
            self.aws.secrets_manager(),
            self.config.secrets_prefix.clone(),
            self.federation().await,
            Arc::clone(&self.clock),
        )
    }

    /// Tokens of AWS for Entra, if a role for them is configured.
    async fn federation(&self) -> Option<Federation> {
        let sts = self.aws.sts_as(self.config.federation_role_arn.as_ref()?).await;
        let audience = self.config.cloud.token_exchange_audience();
        Some(Federation::new(sts, audience, Arc::clone(&self.clock)))
    }

    /// Entra's discovery documents.
    pub fn metadata(&self) -> MetadataCache {
        let authority = self.config.authority.clone();
        MetadataCache::new(self.http.clone(), authority, Arc::clone(&self.clock))
    }

    /// Entra's signing keys.
    pub fn signing_keys(&self) -> KeyCache {
        KeyCache::new(self.http.clone(), Arc::clone(&self.clock))
    }

    /// Entra's token endpoint.
    pub fn token_client(&self) -> TokenClient {
        TokenClient::new(self.http.clone(), Arc::clone(&self.clock))
    }

    /// Microsoft Graph, or another server in its place.
    pub fn graph(&self, instead: Option<&Url>) -> Graph {
        Graph::new(self.http.clone(), self.config.cloud, instead)
    }

    /// Azure DevOps.
    pub fn devops(&self) -> DevopsClient {
        DevopsClient::new(self.http.clone(), self.config.devops_url.clone())
    }

    /// Events; none are sent without a bus.
    pub fn events(&self) -> Events {
        match &self.config.event_bus {
            Some(bus) => Events::to_bus(self.aws.eventbridge(), bus.clone()),
            None => Events::none(),
        }
    }

    /// The SQS client.
    pub fn queue(&self) -> aws_sdk_sqs::Client {
        self.aws.sqs()
    }

    /// The refresh protocol.
    pub async fn refresher(&self) -> Refresher {
        Refresher::from(Parts {
            connections: self.connections(),
            tokens: self.tokens(),
            integrations: self.integrations(),
            credentials: self.client_credentials().await,
            entra: self.token_client(),
            metadata: self.metadata(),
            events: self.events(),
            audit: self.audit.clone(),
            clock: Arc::clone(&self.clock),
            random: self.random.clone(),
        })
    }
}
