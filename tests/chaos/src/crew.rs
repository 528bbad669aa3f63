//! All processes of the fleet under attack, known by their place.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::member::{Kind, Life, Member, Order};
use crate::place::Place;

/// Workers and relays, each replaced when it ends.
#[derive(Debug)]
pub struct Crew {
    orders: Vec<mpsc::UnboundedSender<Order>>,
    serving: JoinSet<Vec<Life>>,
}

impl Crew {
    /// Starts so many of each: workers have the first places.
    pub fn start(place: &Arc<Place>, workers: usize, relays: usize) -> Self {
        let mut crew = Self {
            orders: Vec::new(),
            serving: JoinSet::new(),
        };
        for (kind, count) in [(Kind::Worker, workers), (Kind::Relay, relays)] {
            for number in 1..=count {
                let (orders, theirs) = mpsc::unbounded_channel();
                let member = Member::new(kind, number, Arc::clone(place), theirs);
                crew.orders.push(orders);
                crew.serving.spawn(member.serve());
            }
        }
        crew
    }

    /// Tells who has a place what to do; who stays away hears nothing.
    ///
    /// # Panics
    ///
    /// There is no such place.
    pub fn order(&self, place: usize, order: Order) {
        let _unheard = self.orders[place].send(order);
    }

    /// Asks everybody to leave, and returns all processes that there were.
    ///
    /// # Cancellation
    ///
    /// Kills who is left.
    pub async fn leave(mut self) -> Vec<Life> {
        for orders in &self.orders {
            let _unheard = orders.send(Order::Leave);
        }
        let mut lives = Vec::new();
        while let Some(served) = self.serving.join_next().await {
            lives.extend(served.expect("a member does not panic"));
        }
        lives
    }
}
