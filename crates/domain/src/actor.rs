//! Actors: who did it.

use jiff::Timestamp;

/// Who made a commit. Set by the server from the credential; `tool_call` alone is the caller's word.
/// An empty field is unknown or not applicable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Actor {
    /// The name that the token was issued to.
    pub principal: String,
    pub session: String,
    pub agent: String,
    pub tool_call: String,
    pub on_behalf_of: String,
    pub dream: String,
    /// For what an import brought in: who wrote it, as the imported file says. All the other fields
    /// are whoever imported it.
    pub claim: Option<Box<Claim>>,
}

/// Who wrote something and when, as an imported file says. Nobody vouches for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Claim {
    pub principal: String,
    pub session: String,
    pub agent: String,
    pub tool_call: String,
    pub on_behalf_of: String,
    pub dream: String,
    pub time: Timestamp,
}

impl Actor {
    /// The actor of what it imports, with what the imported file says.
    #[must_use]
    pub fn claiming(&self, claim: Claim) -> Actor {
        Actor { claim: Some(Box::new(claim)), ..self.clone() }
    }

    /// Who wrote it, and when, as far as anybody says: for an import, what the file says.
    pub fn said(&self, time: Timestamp) -> Claim {
        self.claim.as_deref().cloned().unwrap_or_else(|| Claim {
            principal: self.principal.clone(),
            session: self.session.clone(),
            agent: self.agent.clone(),
            tool_call: self.tool_call.clone(),
            on_behalf_of: self.on_behalf_of.clone(),
            dream: self.dream.clone(),
            time,
        })
    }
}

impl Actor {
    /// What people call it: the agent where one acts, else the principal.
    pub fn name(&self) -> &str {
        if self.agent.is_empty() { &self.principal } else { &self.agent }
    }
}

/// Which actors a listing is about. An empty field is no condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ActorFilter {
    pub principal: String,
    pub session: String,
    pub agent: String,
    pub dream: String,
}

impl ActorFilter {
    /// Whether it sets no condition.
    pub fn is_any(&self) -> bool {
        *self == ActorFilter::default()
    }

    /// Whether it is about who did it, or about whom an import claims.
    pub fn matches(&self, actor: &Actor) -> bool {
        self.holds(&actor.principal, &actor.session, &actor.agent, &actor.dream)
            || actor.claim.as_ref().is_some_and(|c| self.holds(&c.principal, &c.session, &c.agent, &c.dream))
    }

    fn holds(&self, principal: &str, session: &str, agent: &str, dream: &str) -> bool {
        let holds = |want: &str, have: &str| want.is_empty() || want == have;
        holds(&self.principal, principal)
            && holds(&self.session, session)
            && holds(&self.agent, agent)
            && holds(&self.dream, dream)
    }
}
