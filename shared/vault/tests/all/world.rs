//! A vault in embedded AWS services, and the people who sign in.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use ground::clock::SystemClock;
use ground::random::Random;
use jiff::{SignedDuration, Timestamp};
use local::{Aws, names};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use vault::connections::{
    Account, Completed, Completion, Confirmed, Connection, Connections, Origin,
};
use vault::ids::{ConnectionId, GrantId, UserId};
use vault::integrations::{Integration, Integrations};
use vault::passes::NewPass;
use vault::schedule::Lifetime;
use vault::sealing::Sealer;
use vault::sessions::{ConnectSession, SessionKey, Sessions, Start};
use vault::tokens::{Owner, TokenPair, TokenStore};

const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);
const TENANT: &str = "11111111-1111-4111-8111-111111111111";

/// The time so many seconds after the test begins.
pub fn after(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

/// A person, as Entra knows her.
#[derive(Clone, Copy)]
pub struct Person {
    name: &'static str,
    object_id: &'static str,
}

pub const ADA: Person = Person { name: "Ada", object_id: "22222222-2222-4222-8222-222222222222" };
pub const GRACE: Person =
    Person { name: "Grace", object_id: "33333333-3333-4333-8333-333333333333" };

impl Person {
    pub fn account(self) -> Account {
        Account {
            tenant_id: TENANT.parse().unwrap(),
            object_id: self.object_id.parse().unwrap(),
            name: Some(self.name.to_owned()),
            username: None,
        }
    }
}

/// A sign-in at Entra, for a user of the application.
#[derive(Clone, Copy)]
pub struct SignIn {
    pub person: Person,
    pub user: &'static str,
    pub name: &'static str,
    pub access: &'static str,
    pub scopes: &'static [&'static str],
    pub organization: &'static str,
}

impl SignIn {
    pub fn of(person: Person) -> Self {
        let name = person.name;
        Self {
            person,
            user: "ada",
            name,
            access: "access of Ada",
            scopes: &["vso.code"],
            organization: "mycompany",
        }
    }
}

/// A started session.
pub struct Started {
    session: ConnectSession,
    key: SessionKey,
}

pub struct World {
    pub connections: Connections,
    pub integration: Integration,
    sessions: Sessions,
    tokens: TokenStore,
    pub aws: Aws,
}

impl World {
    /// An integration that requires confirmation or none, and no connections.
    pub async fn start(confirmation: &str) -> Self {
        let aws = Aws::start("operator key").await.unwrap();
        let tables = names::tables();
        let dynamodb = &aws.dynamodb;
        let sealer = Sealer::new(aws.kms.clone(), names::KEY.to_owned(), Arc::new(SystemClock));
        let integrations = Integrations::new(dynamodb.clone(), tables.integrations.clone());
        let integration = integration(confirmation);
        assert!(integrations.put(integration.clone(), None).await.unwrap());
        Self {
            connections: Connections::new(dynamodb.clone(), &tables, 1),
            integration,
            sessions: Sessions::new(dynamodb.clone(), tables.sessions),
            tokens: TokenStore::new(dynamodb.clone(), tables.tokens, sealer),
            aws,
        }
    }

    /// A session of a user, started in the browser.
    pub async fn session(&self, user: &str, now: Timestamp) -> Started {
        let session = ConnectSession {
            integration: self.integration.id.clone(),
            user: user.parse().unwrap(),
            organization: None,
            return_to: None,
            login_hint: None,
            scopes: self.integration.settings.scopes.names().to_vec(),
        };
        let created = self.sessions.create(session.clone(), now, &mut Random::System).await;
        let (token, _) = created.unwrap();
        let Start::Started { key, .. } = self.sessions.start(&token, now).await.unwrap() else {
            panic!("the session was not started")
        };
        Started { session, key }
    }

    /// Stores a sign-in, as the function `callback` does.
    pub async fn complete(&self, sign_in: &SignIn, now: Timestamp) -> Completed {
        self.complete_with(&self.session(sign_in.user, now).await, sign_in, now).await
    }

    pub async fn complete_with(
        &self,
        Started { session, key }: &Started,
        sign_in: &SignIn,
        now: Timestamp,
    ) -> Completed {
        self.store(Origin::Session(key), &session.user, sign_in, now).await
    }

    /// Stores the sign-in of a user who lets a client in.
    pub async fn admit(&self, pass: &NewPass, sign_in: &SignIn, now: Timestamp) -> Completed {
        self.store(Origin::Client(pass), &sign_in.user.parse().unwrap(), sign_in, now).await
    }

    async fn store(
        &self,
        origin: Origin<'_>,
        user: &UserId,
        sign_in: &SignIn,
        now: Timestamp,
    ) -> Completed {
        let expires_at = now + SignedDuration::from_hours(1);
        let access = SecretString::from(sign_in.access).try_into().unwrap();
        let refresh = SecretString::from("refresh token");
        let completion = Completion {
            origin,
            user,
            requested: self.integration.settings.scopes.names(),
            integration: &self.integration,
            account: Account { name: Some(sign_in.name.to_owned()), ..sign_in.person.account() },
            organization: Some(sign_in.organization.parse().unwrap()),
            scopes: sign_in.scopes.iter().map(ToString::to_string).collect(),
            tokens: TokenPair { access: &access, access_expires_at: expires_at, refresh: &refresh },
            lifetime: Lifetime { expires_at, refresh_at: None },
        };
        let rng = &mut Random::System;
        self.connections.complete(&completion, &self.tokens, now, rng).await.unwrap()
    }

    /// Stores a sign-in that the application must confirm.
    pub async fn pending(&self, sign_in: &SignIn, now: Timestamp) -> (ConnectionId, SecretString) {
        match self.complete(sign_in, now).await {
            Completed::Pending { connection, confirmation } => (connection, confirmation),
            other => panic!("not pending: {other:?}"),
        }
    }

    /// Stores a sign-in, and confirms it where that is required.
    pub async fn confirmed(&self, sign_in: &SignIn) -> Connection {
        let id = match self.complete(sign_in, after(0)).await {
            Completed::Pending { connection, confirmation } => {
                let confirmed = self.confirm(&connection, &confirmation, sign_in.user, after(0));
                assert!(matches!(confirmed.await, Confirmed::Active(_)));
                connection
            }
            Completed::Active { connection } => connection,
            other => panic!("not stored: {other:?}"),
        };
        self.connection(&id).await.unwrap()
    }

    pub async fn confirm(
        &self,
        id: &ConnectionId,
        code: &SecretString,
        user: &str,
        now: Timestamp,
    ) -> Confirmed {
        let (user, rng) = (user.parse().unwrap(), &mut Random::System);
        self.connections.confirm(id, code, &user, now, rng).await.unwrap()
    }

    pub async fn connection(&self, id: &ConnectionId) -> Option<Connection> {
        self.connections.get(id).await.unwrap()
    }

    fn owner<'a>(&'a self, connection: &'a ConnectionId, grant: &'a GrantId) -> Owner<'a> {
        Owner { integration: &self.integration.id, connection, grant }
    }

    pub async fn has_tokens(&self, connection: &ConnectionId, grant: &GrantId) -> bool {
        self.tokens.get(self.owner(connection, grant)).await.unwrap().is_some()
    }

    /// The access token with which a connection calls.
    pub async fn access_token(&self, connection: &Connection) -> Option<String> {
        let owner = self.owner(&connection.id, connection.grant.as_ref()?);
        let sealed = self.tokens.get(owner).await.unwrap()?;
        let opened = self.tokens.open_access(owner, &sealed).await.unwrap();
        Some(opened.secret().expose_secret().to_owned())
    }

    /// When DynamoDB erases the tokens, in seconds since 1970.
    pub async fn expiry_of_tokens(&self, id: &ConnectionId, grant: &GrantId) -> Option<i64> {
        let item = self.item(names::TOKENS, format!("{id}#{grant}")).await;
        Some(item.get("expires_at")?.as_n().unwrap().parse().unwrap())
    }

    pub async fn attribute(&self, of: &Connection, name: &str) -> Option<AttributeValue> {
        self.item(names::CONNECTIONS, of.id.to_string()).await.remove(name)
    }

    async fn item(
        &self,
        table: &str,
        pk: String,
    ) -> std::collections::HashMap<String, AttributeValue> {
        let read = self.aws.dynamodb.get_item().table_name(table).key("pk", AttributeValue::S(pk));
        read.send().await.unwrap().item.unwrap()
    }

    /// Writes an attribute of a connection, as another process does.
    pub async fn set(&self, of: &Connection, name: &str, value: AttributeValue) {
        self.write(names::CONNECTIONS, of.id.to_string(), name, value).await;
    }

    /// Writes a field of the integration, as an operator does meanwhile.
    pub async fn set_of_integration(&self, name: &str, value: &str) {
        let pk = format!("integration#{}", self.integration.id);
        let value = AttributeValue::S(value.to_owned());
        self.write(names::INTEGRATIONS, pk, name, value).await;
    }

    async fn write(&self, table: &str, pk: String, name: &str, value: AttributeValue) {
        let update = self.aws.dynamodb.update_item().table_name(table);
        let update = update.key("pk", AttributeValue::S(pk)).update_expression("SET #n = :v");
        let update = update.condition_expression("attribute_exists(pk)");
        let update = update.expression_attribute_names("#n", name);
        update.expression_attribute_values(":v", value).send().await.unwrap();
    }
}

fn integration(confirmation: &str) -> Integration {
    let fields = json!({
        "id": "azure-devops",
        "client_id": "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a01",
        "credential": {"kind": "client_secret"},
        "organizations": ["mycompany"],
        "scopes": ["vso.code", "vso.build"],
        "confirmation": confirmation,
        "status": "ready",
        "created_at": NOW,
        "updated_at": NOW,
    });
    serde_json::from_value(fields).unwrap()
}
