//! A second sign-in for an MCP client, with the claims that Entra or the connection asks for.

use edge::problem::Problem;
use edge::sign_in::{Begun, SignInRequest};
use vault::sessions::{AuthorizationFlow, ClientRequest, Purpose};

use crate::Callback;

impl Callback {
    /// Begins the sign-in of an MCP client once more, with claims such as a second factor, which only the first sign-in could
    /// lead to. Returns `None` without claims, in the flow of an application, and in the second sign-in.
    pub(crate) async fn sign_in_again(
        &self,
        flow: &AuthorizationFlow,
        claims: Option<&str>,
    ) -> Result<Option<Begun>, Problem> {
        let (Purpose::Client(request), Some(_)) = (&flow.purpose, claims) else { return Ok(None) };
        if request.is_repeated {
            return Ok(None);
        }
        let repeated = ClientRequest { is_repeated: true, ..request.clone() };
        let flow = AuthorizationFlow { purpose: Purpose::Client(repeated), ..flow.clone() };
        let sign_in = SignInRequest { flow, login_hint: None, claims };
        let (now, sessions) = (self.clock.now(), &self.sessions);
        let begun =
            sign_in.begin(sessions, &self.public_url, &self.metadata, now, &self.random).await?;
        Ok(Some(begun))
    }
}
