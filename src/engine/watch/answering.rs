//! What is asked of the service over HTTP and changes something, or is not published.

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::judge::Judge;
use super::telling::Act;
use crate::alerting;
use crate::discover::Ambient;
use crate::engine::chain;
use crate::exporter::{Action, ActionReply, OutboxPage, Refusal};
use crate::ledger::LedgerError;
use crate::model::{NewSilence, OutboxRow, OutboxState, Silence, TimestampMs};
use crate::notify::Delivery;

/// Answers until `stop`, one after the other: none of these takes long, and none is worth being hurried.
pub(super) async fn answer(
    mut actions: mpsc::Receiver<Action>,
    judge: Judge,
    delivery: Delivery,
    ambient: Ambient,
    stop: CancellationToken,
) {
    loop {
        let action = tokio::select! {
            () = stop.cancelled() => return,
            action = actions.recv() => action,
        };
        let Some(action) = action else { return };
        match action {
            Action::Silence { silence, reply } => {
                let chance = ambient.random(u64::MAX);
                judge
                    .act(Act::new(move |station, now| {
                        let made =
                            accept(&silence, chance, now).inspect(|silence| station.silence(silence.clone(), now));
                        say(reply, made);
                    }))
                    .await;
            }
            Action::Expire { id, reply } => {
                judge
                    .act(Act::new(move |station, now| {
                        say(reply, station.expire_silence(&id, now).ok_or(Refusal::NotFound));
                    }))
                    .await;
            }
            Action::Watchdog { name, reply } => {
                judge
                    .act(Act::new(move |station, now| {
                        let heard = station.hear(&name, now);
                        say(reply, if heard { Ok(()) } else { Err(Refusal::NotFound) });
                    }))
                    .await;
            }
            Action::Resend { ids, reply } => {
                let is_single = ids.as_ref().is_some_and(|ids| ids.len() == 1);
                let sent = delivery.resend(ids).await.map_err(|error| unavailable(&error));
                say(
                    reply,
                    sent.and_then(|ids| if is_single && ids.is_empty() { Err(Refusal::NotFound) } else { Ok(ids) }),
                );
            }
            Action::Outbox { states, limit, reply } => say(reply, look(&delivery, &states, limit).await),
        }
    }
}

/// Whoever has gone does not need the answer.
fn say<T>(reply: ActionReply<T>, answer: Result<T, Refusal>) {
    oneshot::Sender::send(reply, answer).unwrap_or_default();
}

fn accept(silence: &NewSilence, chance: u64, now: TimestampMs) -> Result<Silence, Refusal> {
    let id = alerting::digest(&["silence", &silence.matchers, &now.0.to_string(), &chance.to_string()]);
    silence.accept(id, now).map_err(|mistake| Refusal::Invalid(mistake.part.to_owned(), mistake.expected.to_owned()))
}

async fn look(delivery: &Delivery, states: &[OutboxState], limit: usize) -> Result<OutboxPage, Refusal> {
    let mut rows: Vec<OutboxRow> = Vec::new();
    if states.iter().any(|state| matches!(state, OutboxState::Pending | OutboxState::Inflight)) {
        rows.extend(delivery.waiting().await.map_err(|error| unavailable(&error))?);
    }
    if states.contains(&OutboxState::Dead) {
        rows.extend(delivery.dead_letters().await.map_err(|error| unavailable(&error))?);
    }
    rows.retain(|row| states.contains(&row.state));
    rows.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    let total = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    rows.truncate(limit);
    Ok(OutboxPage { total, rows })
}

fn unavailable(error: &LedgerError) -> Refusal {
    Refusal::Unavailable(format!("the ledger cannot be used: {}", chain(error)))
}
