//! The worker of one connection: it turns bytes into orders and passes them on to Alice.

use std::sync::Arc;

use bytes::Bytes;
use d3::components::Session;
use d3::net::{CloseReason, NetCmd};
use d3::prelude::*;
use tally::Tally;

use crate::alice::AliceCmd;
use crate::http::{Event, Limits, Parser, Persistence};
use crate::order::Order;

/// One per connection. It never answers itself: every answer comes from Alice, so answers leave in the order in which
/// the requests came, however many of them were sent at once.
pub(crate) struct Connection {
    session: Session,
    alice: Sender<AliceCmd>,
    tally: Arc<Tally>,
    parser: Parser,
    /// The last order of this connection was passed on; whatever else arrives is ignored.
    over: bool,
}

impl Connection {
    pub(crate) fn new(session: Session, alice: Sender<AliceCmd>, tally: Arc<Tally>) -> Self {
        Self {
            session,
            alice,
            tally,
            parser: Parser::new(Limits::default()),
            over: false,
        }
    }

    fn read(&mut self, bytes: &Bytes) {
        self.tally.add_in(bytes.len());
        if self.over {
            return;
        }
        self.parser.push(bytes);
        let mut orders = Vec::new();
        while !self.over
            && let Some(event) = self.parser.next()
        {
            let order = match event {
                Ok(Event::Request(request)) => {
                    self.tally.add_messages(1);
                    Order::of(&request)
                }
                Ok(Event::Continue) => Order::go_on(),
                Err(error) => Order::refuse(error),
            };
            self.over = order.persistence == Persistence::Close;
            orders.push(order);
        }
        self.pass_on(orders);
    }

    /// The client will send no more: what it asked for is still answered.
    fn read_end(&mut self) {
        if !self.over {
            self.over = true;
            let last = self
                .parser
                .finish()
                .map_or_else(Order::leave, Order::refuse);
            self.pass_on(vec![last]);
        }
    }

    fn pass_on(&mut self, orders: Vec<Order>) {
        if orders.is_empty() {
            return;
        }
        // If Alice is full, this machine is parked after it returns, and so its client is not read until she has room.
        if let Err(error) = self
            .alice
            .send(AliceCmd::Serve(self.session.conn(), orders))
        {
            tracing::warn!(conn = %self.session.conn(), %error, "Alice does not answer");
            self.over = true;
            // If the net has stopped as well, the connection is closed already.
            let _ = self.session.close(CloseReason::Abort);
        }
    }
}

impl MachineMut<NetCmd> for Connection {
    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::RecvBytes(_, bytes) => self.read(&bytes),
            NetCmd::RecvEnd(_) => self.read_end(),
            NetCmd::CloseConn(_, reason) => {
                self.over = true;
                self.session.closed(reason);
                // Nothing will come any more. Not that it matters: the net has dropped its sender, and a machine ends
                // with its last sender.
            }
            other => other.unhandled(),
        }
    }
}
