//! A second sign-in for an MCP client, with the claims that the connection waits for.

use edge::problem::Problem;
use edge::sign_in::{Begun, SignInRequest};
use vault::ids::UserId;
use vault::sessions::{AuthorizationFlow, ClientRequest, Purpose};

use crate::Callback;

impl Callback {
    /// Begins the sign-in once more if the user's connection waits for claims, such as a second factor, which only the
    /// first sign-in could lead to. Returns `None` if nothing is waited for, or it is the second sign-in already.
    pub(crate) async fn sign_in_again(
        &self,
        flow: &AuthorizationFlow,
        request: &ClientRequest,
        user: &UserId,
    ) -> Result<Option<Begun>, Problem> {
        if request.is_repeated {
            return Ok(None);
        }
        let known = self.connections.find(&request.integration, user).await?;
        let Some(claims) = known.and_then(|known| known.claims_challenge) else { return Ok(None) };
        let repeated = ClientRequest { is_repeated: true, ..request.clone() };
        let flow = AuthorizationFlow { purpose: Purpose::Client(repeated), ..flow.clone() };
        let metadata = self.metadata.get(&flow.tenant).await;
        let metadata = metadata.map_err(|error| Problem::of_sign_in(&error.into()))?;
        let sign_in = SignInRequest { flow, login_hint: None, claims: Some(&claims) };
        let (now, sessions) = (self.clock.now(), &self.sessions);
        let begun = sign_in.begin(sessions, &self.public_url, &metadata, now, &self.random).await?;
        Ok(Some(begun))
    }
}
