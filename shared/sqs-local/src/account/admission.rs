//! Who is let in, and for what.

use std::sync::{PoisonError, RwLock};

use super::address::name_in;
use super::settings::ACCOUNT;
use super::sqs::Sqs;
use crate::error::{Error, ErrorKind};
use crate::operation::Operation;
use crate::permission::Permissions;

/// The permissions that a service enforces; without any, everybody may do anything.
#[derive(Debug, Default)]
pub(super) struct Admission(RwLock<Option<Permissions>>);

impl Sqs {
    /// Enforces permissions from now on, instead of those before, on everybody who comes over
    /// HTTP. Calls in process are not asked who they are.
    pub fn set_permissions(&self, permissions: Permissions) {
        self.replace_permissions(Some(permissions));
    }

    /// Lets everybody do anything again.
    pub fn clear_permissions(&self) {
        self.replace_permissions(None);
    }

    fn replace_permissions(&self, permissions: Option<Permissions>) {
        let cell = &self.account.admission.0;
        *cell.write().unwrap_or_else(PoisonError::into_inner) = permissions;
    }

    /// Checks that the caller may do what it asks for.
    ///
    /// # Errors
    /// What SQS answers to no key, an unknown key, and a key without a permission that is needed.
    pub(crate) fn admit<O: Operation>(&self, operation: &O) -> Result<(), Error> {
        let permissions = &self.account.admission.0;
        let permissions = permissions.read().unwrap_or_else(PoisonError::into_inner);
        let Some(permissions) = &*permissions else {
            return Ok(());
        };
        let Some(key) = self.caller().access_key() else {
            let message = "Request is missing Authentication Token";
            return Err(Error::new(ErrorKind::MissingAuthenticationToken, message));
        };
        if !permissions.knows(key) {
            let message = "The security token included in the request is invalid.";
            return Err(Error::new(ErrorKind::UnrecognizedClient, message));
        }
        for need in operation.needs() {
            let action = format!("sqs:{}", need.action);
            let queue = need.queue.as_deref().and_then(name_in).unwrap_or("*");
            let arn = self.account.registry().arn(queue);
            if !permissions.allow(key, &action, &arn) {
                return Err(denied(key, &action, &arn));
            }
        }
        Ok(())
    }
}

/// Words a refusal as IAM does, the action in small letters.
fn denied(key: &str, action: &str, arn: &str) -> Error {
    let action = action.to_ascii_lowercase();
    let message = format!(
        "User: arn:aws:iam::{ACCOUNT}:user/{key} is not authorized to perform: {action} on \
         resource: {arn} because no identity-based policy allows the {action} action"
    );
    Error::new(ErrorKind::AccessDenied, message)
}
