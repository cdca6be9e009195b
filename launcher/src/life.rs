//! When Envoy is drained and ended: decides, without looking at anything itself.

use std::io;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::admin::Traffic;
use crate::app_sockets::Sockets;
use crate::arguments::EndSettings;
use crate::drain::LastRequests;
use crate::restarts::Restarts;

const CHECK: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);
/// While connections wait for an Envoy that is just starting.
const HELD_POLL: Duration = Duration::from_millis(20);
/// Endpoints should have left before peers are told to reconnect, else they come straight back.
const LEAVE: Duration = Duration::from_secs(2);
/// A container that computes for a while has no socket either. One that listened and does not any more has begun to end.
const APP_QUIET: Duration = Duration::from_secs(5);
const LISTENER_QUIET: Duration = Duration::from_secs(2);
/// Whatever is left has to be ended before the kubelet kills it.
const MARGIN: Duration = Duration::from_millis(1_500);

/// What is asked about the pod, and told to its Envoy.
pub trait Pod {
    fn awaits_its_first(&self) -> bool;
    fn sockets_of_others(&self) -> io::Result<Sockets>;
    fn traffic(&self) -> io::Result<Traffic>;
    fn turn_peers_away(&self);
}

/// Of a launcher; times are since its start.
pub struct Life {
    settings: EndSettings,
    restarts: Restarts,
    announced_at: Option<Duration>,
    is_ending: bool,
    has_turned_away: bool,
    last_requests: Option<LastRequests>,
    app_seen_at: Duration,
    app_quiet: Duration,
}

impl Life {
    pub fn new(settings: EndSettings) -> Life {
        Life {
            settings,
            restarts: Restarts::default(),
            announced_at: None,
            is_ending: false,
            has_turned_away: false,
            last_requests: None,
            app_seen_at: Duration::ZERO,
            app_quiet: APP_QUIET,
        }
    }

    pub fn is_ending(&self) -> bool {
        self.is_ending
    }

    /// Until something is looked at again, if no signal comes before.
    pub fn pause(&self, awaits_ready: bool, holds_ports: bool) -> Duration {
        let is_announced = self.announced_at.is_some() && !self.has_turned_away;
        if holds_ports {
            HELD_POLL
        } else if awaits_ready || self.is_ending || is_announced {
            POLL
        } else {
            CHECK
        }
    }

    /// The signal to hand on to Envoy, if it is one of these.
    pub fn take(&mut self, signal: Signal, now: Duration) -> Option<Signal> {
        match signal {
            Signal::SIGUSR1 | Signal::SIGHUP => return Some(signal),
            Signal::SIGTERM | Signal::SIGINT | Signal::SIGQUIT => self.is_ending = true,
            Signal::SIGUSR2 => {}
            _ => return None,
        }
        if self.announced_at.is_none() {
            self.announced_at = Some(now);
            self.app_seen_at = now;
        }
        None
    }

    /// Envoy has ended by itself: may it be started again? Not while it drains at its end, nor for ever.
    pub fn may_restart(&mut self, now: Duration) -> bool {
        let is_allowed = self.restarts.allow(now) && self.last_requests.is_none();
        if is_allowed {
            self.has_turned_away = false;
        }
        is_allowed
    }

    /// Drains when the time has come, and says when nothing is left to be done.
    pub fn is_over(&mut self, pod: &impl Pod, now: Duration) -> bool {
        let Some(announced_at) = self.announced_at else { return false };
        let is_last = self.is_ending && self.app_is_gone(pod, announced_at, now);
        if is_last && !self.has_turned_away && self.settings.stands_alone && pod.awaits_its_first() {
            return true;
        }
        if !self.has_turned_away && (is_last || now >= announced_at + LEAVE) {
            self.has_turned_away = true;
            pod.turn_peers_away();
        }
        let EndSettings { least, longest, .. } = self.settings;
        if is_last && self.last_requests.is_none() {
            self.last_requests = Some(LastRequests::new(least, longest, now));
        }
        self.last_requests.as_mut().is_some_and(|last| last.is_due(now) || last.are_over(pod.traffic().ok(), now))
    }

    fn app_is_gone(&mut self, pod: &impl Pod, announced_at: Duration, now: Duration) -> bool {
        let Some(grace) = self.settings.waits_for_app else { return true };
        if now + MARGIN >= announced_at + grace {
            return true;
        }
        // Who cannot look stays as long as it may.
        let found = pod.sockets_of_others().unwrap_or(Sockets::Connected);
        if found != Sockets::None {
            self.app_seen_at = now;
        }
        if found == Sockets::Listening {
            self.app_quiet = LISTENER_QUIET;
        }
        now >= self.app_seen_at + self.app_quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    /// A pod as it is said to be; counts how often its peers were turned away.
    struct Said {
        awaits_its_first: bool,
        sockets: RefCell<Option<Sockets>>,
        traffic: Cell<Option<Traffic>>,
        turned_away: Cell<usize>,
    }

    fn quiet() -> Said {
        let traffic = Cell::new(Some(Traffic::default()));
        let sockets = RefCell::new(Some(Sockets::None));
        Said { awaits_its_first: false, sockets, traffic, turned_away: Cell::new(0) }
    }

    impl Pod for Said {
        fn awaits_its_first(&self) -> bool {
            self.awaits_its_first
        }

        fn sockets_of_others(&self) -> io::Result<Sockets> {
            self.sockets.borrow().ok_or_else(|| io::ErrorKind::PermissionDenied.into())
        }

        fn traffic(&self) -> io::Result<Traffic> {
            self.traffic.get().ok_or_else(|| io::ErrorKind::ConnectionRefused.into())
        }

        fn turn_peers_away(&self) {
            self.turned_away.set(self.turned_away.get() + 1);
        }
    }

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn settings() -> EndSettings {
        EndSettings { admin_port: 1, stands_alone: false, least: s(1.0), longest: s(20.0), waits_for_app: None }
    }

    /// When it is over, asked every tenth of a second from `from` on.
    fn over_at(life: &mut Life, pod: &Said, from: f64) -> f64 {
        (0..1_000)
            .map(|tick| from + f64::from(tick) / 10.0)
            .find(|at| life.is_over(pod, s(*at)))
            .unwrap_or(f64::INFINITY)
    }

    #[test]
    fn an_announcement_turns_peers_away_after_a_while_and_ends_nothing() {
        let (pod, mut life) = (quiet(), Life::new(settings()));
        assert!(!life.is_over(&pod, s(9.0)));
        assert_eq!(life.take(Signal::SIGUSR2, s(10.0)), None);
        assert_eq!(life.pause(false, false), POLL);
        assert!(!life.is_over(&pod, s(11.9)));
        assert_eq!(pod.turned_away.get(), 0);
        assert!(!life.is_over(&pod, s(12.0)));
        assert_eq!(over_at(&mut life, &pod, 12.1), f64::INFINITY);
        assert_eq!(pod.turned_away.get(), 1);
        assert_eq!(life.pause(false, false), CHECK);
    }

    #[test]
    fn at_the_end_peers_are_turned_away_at_once_and_the_last_requests_awaited() {
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
            let (pod, mut life) = (quiet(), Life::new(settings()));
            life.take(signal, s(5.0));
            assert!(life.is_ending());
            assert!((over_at(&mut life, &pod, 5.0) - 6.0).abs() < 0.05);
            assert_eq!(pod.turned_away.get(), 1);
        }
    }

    #[test]
    fn a_request_in_progress_is_waited_for_but_not_for_ever() {
        let (pod, mut life) = (quiet(), Life::new(settings()));
        pod.traffic.set(Some(Traffic { active: 1, seen: 1 }));
        life.take(Signal::SIGTERM, s(0.0));
        assert!((over_at(&mut life, &pod, 0.0) - 20.0).abs() < 0.05);
    }

    #[test]
    fn an_envoy_that_is_gone_tells_nothing() {
        let (pod, mut life) = (quiet(), Life::new(settings()));
        pod.traffic.set(None);
        life.take(Signal::SIGTERM, s(0.0));
        assert!(life.is_over(&pod, s(0.0)));
    }

    #[test]
    fn who_never_was_ready_has_nothing_to_drain() {
        for (stands_alone, expected) in [(true, 0.0), (false, 1.0)] {
            let pod = Said { awaits_its_first: true, ..quiet() };
            let mut life = Life::new(EndSettings { stands_alone, ..settings() });
            life.take(Signal::SIGTERM, s(0.0));
            assert!((over_at(&mut life, &pod, 0.0) - expected).abs() < 0.05);
        }
    }

    #[test]
    fn a_classic_sidecar_stays_until_the_others_have_gone() {
        for (sockets, gone_at, expected) in [
            // Never any: it may have computed.
            (Some(Sockets::None), 0.0, 5.0 + 1.0),
            (Some(Sockets::Connected), 4.0, 4.0 + 5.0 + 1.0),
            (Some(Sockets::Listening), 4.0, 4.0 + 2.0 + 1.0),
            // As long as it may: the pod's grace period.
            (Some(Sockets::Listening), 99.0, 28.5 + 1.0),
            (None, 99.0, 28.5 + 1.0),
        ] {
            let mut life = Life::new(EndSettings { waits_for_app: Some(s(30.0)), ..settings() });
            let pod = quiet();
            life.take(Signal::SIGTERM, s(0.0));
            let over = (0..1_000).map(|tick| f64::from(tick) / 10.0).find(|at| {
                pod.sockets.replace(if *at < gone_at { sockets } else { Some(Sockets::None) });
                life.is_over(&pod, s(*at))
            });
            assert!((over.unwrap() - expected).abs() < 0.25, "{sockets:?} {gone_at}: {over:?}");
        }
    }

    #[test]
    fn no_grace_at_all_is_no_wait() {
        let mut life = Life::new(EndSettings { waits_for_app: Some(s(0.0)), ..settings() });
        let pod = quiet();
        pod.sockets.replace(Some(Sockets::Listening));
        life.take(Signal::SIGTERM, s(0.0));
        assert!((over_at(&mut life, &pod, 0.0) - 1.0).abs() < 0.05);
    }

    #[test]
    fn signals_for_envoy_are_handed_on_and_others_ignored() {
        let mut life = Life::new(settings());
        assert_eq!(life.take(Signal::SIGUSR1, s(0.0)), Some(Signal::SIGUSR1));
        assert_eq!(life.take(Signal::SIGHUP, s(0.0)), Some(Signal::SIGHUP));
        assert_eq!(life.take(Signal::SIGCHLD, s(0.0)), None);
        assert_eq!((life.announced_at, life.is_ending()), (None, false));
    }

    #[test]
    fn an_envoy_that_ended_is_started_again_and_turns_away_anew_unless_it_drains() {
        let (pod, mut life) = (quiet(), Life::new(settings()));
        life.take(Signal::SIGUSR2, s(0.0));
        life.is_over(&pod, s(3.0));
        assert!(life.may_restart(s(4.0)));
        life.is_over(&pod, s(4.1));
        assert_eq!(pod.turned_away.get(), 2);
        life.take(Signal::SIGTERM, s(5.0));
        life.is_over(&pod, s(5.0));
        assert!(!life.may_restart(s(5.1)));
    }

    #[test]
    fn the_pause_is_as_short_as_somebody_waits() {
        let life = Life::new(settings());
        assert_eq!(life.pause(false, false), CHECK);
        assert_eq!(life.pause(true, false), POLL);
        assert_eq!(life.pause(true, true), HELD_POLL);
    }
}
