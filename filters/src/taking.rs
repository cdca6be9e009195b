//! Which plugins take part in a request: those that have seen it, and those that see its response or its end only.

use crate::clock::now_ms;
use crate::copying::BodyCopy;
use crate::exchange::Note;
use crate::gateway::Filter;
use crate::plugins::Asks;
use crate::record::arrival::{Arrival, Head};
use crate::remembered::{Remembered, Taken};
use crate::request::Request;
use crate::rewriting::Rewriter;
use crate::stream::Stream;
use crate::tables::{Instance, Route, World};
use std::sync::Arc;

/// A plugin that takes part in this request, and what it keeps for the response.
pub(crate) struct Taking {
    pub instance: Arc<Instance>,
    pub note: Note,
    /// It wants the body of the response that is on its way.
    pub rewrites: bool,
    /// It rewrites that body piece by piece.
    pub rewriter: Option<Box<dyn Rewriter>>,
    pub responds: bool,
    pub logs: bool,
    /// Of the body of the response that is on its way, as this plugin sees it.
    pub copy: Option<Box<dyn BodyCopy>>,
}

/// How a plugin takes part in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Ran,
    Answered,
    /// An earlier plugin has answered.
    SeesResponse,
    /// It turns to somebody else, and waits for the answer.
    Asks,
    /// What an earlier plugin is told decides whether it runs.
    MayRun,
}

impl Filter {
    pub(crate) fn take_part(&mut self, instance: &Arc<Instance>, note: Note) {
        let (responds, logs) =
            (instance.plugin.has_response_phase(), instance.plugin.has_log_phase() && instance.plugin.wants_log(&note));
        if responds || logs {
            self.taking.push(Taking {
                instance: Arc::clone(instance),
                note,
                responds,
                logs,
                rewrites: false,
                rewriter: None,
                copy: None,
            });
        }
    }

    /// Whether a plugin of this request has a log phase.
    pub(crate) fn logs(&self) -> bool {
        self.taking.iter().any(|taking| taking.logs)
    }

    pub(crate) fn note_part(&mut self, order: u32, instance: &Instance, part: Part) {
        if let Some(parts) = &mut self.parts {
            parts.push((order, instance.id.clone(), part));
        }
    }

    pub(crate) fn note_rest(&mut self, world: &World, route: &Route, asking: u32) {
        let consumer = self.who.consumer.clone();
        let mut done = asking;
        while self.parts.is_some()
            && let Some(chosen) = world.next_step(route, consumer.as_deref(), Some(done))
        {
            done = chosen.order;
            if let Some(instance) = chosen.instance {
                self.note_part(chosen.order, instance, Part::MayRun);
            }
        }
    }

    /// A plugin has answered: those behind it do not see the request, but the response.
    pub(crate) fn gather_rest(&mut self, world: &World, route: &Route, request: &Request<'_>, mut noted: Option<Note>) {
        let consumer = self.who.consumer.clone();
        while let Some(chosen) = world.next_step(route, consumer.as_deref(), self.done) {
            self.done = Some(chosen.order);
            if let Some(instance) = chosen.instance {
                let note = noted.take().unwrap_or_else(|| instance.plugin.note(request));
                self.take_part(instance, note);
                self.note_part(chosen.order, instance, Part::SeesResponse);
            }
        }
        self.remember(request);
    }

    /// Keeps what plugins may ask of the request when it has gone on, as it stands.
    pub(crate) fn remember(&mut self, request: &Request<'_>) {
        if !self.taking.iter().any(|taking| taking.instance.plugin.remembers_request()) {
            return;
        }
        let mut remembered = self.remembered.take().unwrap_or_else(|| {
            let entry = self.choice.as_ref().and_then(|choice| choice.entry.as_ref());
            let taken = entry.map(|entry| Taken { route: &entry.target, pattern: &entry.path });
            Box::new(Remembered::of(request, self.settings(), taken, self.request_id(), now_ms(self.settings())))
        });
        remembered.settle(request, &self.changes, &self.who);
        self.remembered = Some(remembered);
    }

    /// The request ends while a plugin waits: that one and those behind see how, but not the request.
    pub(crate) fn stop_waiting(&mut self, stream: &impl Stream) {
        let Some((_, note)) = self.waiting.take() else { return };
        let Some(choice) = &self.choice else { return };
        let (world, entry) = (Arc::clone(&choice.world), choice.entry.clone());
        if let Some(entry) = entry {
            let request = Request::read(stream, self.choice.as_ref());
            self.gather_rest(&world, &entry.target, &request, Some(note));
            self.arrive(&request, true);
        }
    }

    /// No plugin has seen the request; the response is for those of all requests (kong.md §4.1).
    pub(crate) fn gather_everywhere(&mut self, world: &World, request: &Request<'_>) {
        for instance in world.everywhere() {
            self.take_part(instance, instance.plugin.note(request));
        }
        self.remember(request);
        self.arrive(request, false);
    }

    /// A request that Kong refuses before it looks for a route is in the records of all requests all the same.
    pub(crate) fn gather_recording(&mut self, request: &Request<'_>) {
        let Some(world) = self.choice.as_ref().map(|choice| Arc::clone(&choice.world)) else { return };
        for instance in world.everywhere().filter(|instance| instance.plugin.asks() > Asks::Nothing) {
            self.take_part(instance, Note::new());
        }
        self.remember(request);
        self.arrive(request, false);
    }

    /// Keeps what a record tells of the request, as the plugins have left it; those of a route if it `is_routed`.
    pub(crate) fn arrive(&mut self, request: &Request<'_>, is_routed: bool) {
        let asking = self.taking.iter().filter(|taking| taking.logs).map(|taking| taking.instance.plugin.asks()).max();
        let Some(asks) = asking.filter(|asks| *asks > Asks::Nothing) else { return };
        let Some(choice) = &self.choice else { return };
        let entry = choice.entry.as_ref().filter(|_| is_routed);
        let route = entry.map(|entry| &*entry.target);
        let head = (asks == Asks::Everything)
            .then(|| Head::of(request, &self.changes, &choice.world, route, self.request_id()));
        self.arrival = Some(Box::new(Arrival::of(request, route.is_some(), head)));
    }
}
