//! The AWS clients and the names of the tables.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sts::config::{IdentityCache, SharedCredentialsProvider};
use ground::clock::Clock;
use ground::transport::Transport;

use crate::aws_http;
use crate::direct_read::DirectReads;

/// An assumed role's session is renewed this long before it ends. The SDK shortens this by up to half, at random.
const SESSION_RENEWED_BEFORE: Duration = Duration::from_mins(12);

/// The names of our tables.
#[derive(Debug, Clone)]
pub struct TableNames {
    /// Integrations and API keys.
    pub integrations: String,
    /// Connect sessions and authorization requests.
    pub sessions: String,
    /// Connections: identity, status, schedule, lease.
    pub connections: String,
    /// Sealed tokens.
    pub tokens: String,
    /// The audit trail.
    pub audit: String,
    /// The passes of MCP clients.
    pub passes: String,
}

/// Up to three attempts for each call.
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50))
}

/// Timeouts that fit into a request: 2 s for one attempt, 5 s for all.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(5))
        .build()
}

/// A client for each service. Each has its own method, so that a function links only the clients it uses.
#[derive(Debug, Clone)]
pub struct Clients {
    /// DynamoDB, which every function uses.
    pub dynamodb: aws_sdk_dynamodb::Client,
    secrets_manager: OnceLock<aws_sdk_secretsmanager::Client>,
    config: SdkConfig,
}

impl Clients {
    /// Clients for the environment's region, credentials and endpoints, through this HTTP client.
    pub async fn from_environment(http: Transport) -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(aws_http::client(http))
            .retry_config(retries())
            .timeout_config(timeouts())
            .load()
            .await;
        Self::new(&config)
    }

    /// Clients of this configuration.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            secrets_manager: OnceLock::new(),
            config: config.clone(),
        }
    }

    /// Direct reads of DynamoDB through an HTTP client of the process; `None` without a region or credentials.
    pub fn direct_reads(&self, http: Transport, clock: Arc<dyn Clock>) -> Option<DirectReads> {
        DirectReads::new(&self.config, http, clock)
    }

    /// Secrets Manager: one client for all callers, because each client has its own connections.
    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        let made = || aws_sdk_secretsmanager::Client::new(&self.config);
        self.secrets_manager.get_or_init(made).clone()
    }

    /// KMS.
    pub fn kms(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&self.config)
    }

    /// EventBridge.
    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::new(&self.config)
    }

    /// SQS.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    /// STS with another role. The role is assumed at the first call, and again six to twelve minutes before its session
    /// ends, because a token of five minutes must not outlive the session that requested it.
    pub async fn sts_as(&self, role_arn: &str) -> aws_sdk_sts::Client {
        let role = AssumeRoleProvider::builder(role_arn)
            .session_name("ado-connect")
            .configure(&self.config)
            .build()
            .await;
        let cache = IdentityCache::lazy().buffer_time(SESSION_RENEWED_BEFORE).build();
        let config = self
            .config
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(role))
            .identity_cache(cache);
        aws_sdk_sts::Client::new(&config.build())
    }
}
