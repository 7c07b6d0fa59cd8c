"""`crime-assets stream`: live reports are put into a stream, read from it, and watched for."""

from __future__ import annotations

import json
import signal
import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import chain
from threading import Event
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from crime_assets.cli import arguments
from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.profiles import Profile
from crime_assets.profiles.live import LiveReports

if TYPE_CHECKING:
    from crime_assets.incidents.loop import Loop, Totals
    from crime_assets.incidents.masking import Hasher
    from crime_assets.incidents.sample import Sent
    from crime_assets.incidents.sources.producing import Producer
    from crime_assets.incidents.spark.consumer import SparkLoop

_WATCHED_FOR = timedelta(days=30)
_DEMO = "sample"


def add_commands(commands: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Add `stream` and what it does."""
    stream = commands.add_parser("stream", help="live reports: simulate, read, watch")
    which = stream.add_subparsers(required=True, metavar="WHAT")
    produce = which.add_parser(
        "produce", parents=[common], help="put simulated reports of the last weeks into the stream"
    )
    produce.add_argument(
        "--live",
        action="store_true",
        help="then those of now as they come, until interrupted; in a stream that has begun, those alone",
    )
    produce.set_defaults(command=_produce)
    demo = which.add_parser("demo", parents=[common], help="simulate a stream, read it to its end, and show its alerts")
    demo.set_defaults(command=_demo, live=False, until_ended=True)
    for simulating in (produce, demo):
        simulating.add_argument("--weeks", type=arguments.number, default=7, help="how many weeks, up to now")
        simulating.add_argument("--rate", type=arguments.number, default=3_000, help="reports a week, in all districts")
        simulating.add_argument("--seed", type=arguments.number, default=7, help="another number, and other reports")
    run = which.add_parser("run", parents=[common], help="read the stream and publish alerts, until interrupted")
    run.add_argument("--until-ended", action="store_true", help="end when there is nothing more to read")
    run.set_defaults(command=_run)
    status = which.add_parser("status", parents=[common], help="how far the consumer is, and what it has found")
    status.set_defaults(command=_status)
    watch = which.add_parser("watch", parents=[common], help="watch for a vehicle, or end that; show the watch list")
    watch.add_argument("plate", nargs="?", help="the number plate; without one, the list is shown")
    watch.add_argument("--why", default="", help="the reason, such as a case's number")
    watch.add_argument("--until", type=arguments.day, metavar="DAY", help="the last day, 30 days from now by default")
    watch.add_argument("--remove", action="store_true", help="watch for it no longer")
    watch.set_defaults(command=_watch)


def _produce(profile: Profile, options: Namespace) -> int:
    from crime_assets.incidents.sample import SampleReports

    live, now = LiveReports(profile), profile.clock()
    # Arrivals never run backwards in a stream: its consumer no longer knows what it read of a time long before.
    has_begun = live.has_begun
    if has_begun and not options.live:
        raise UsageError(
            f"The stream {live.name} has begun: set another CRIME_STREAM, or go on in this one with --live."
        )
    first = now - timedelta(weeks=options.weeks)
    sample = SampleReports(
        options.seed, first, options.weeks + 1, options.rate, zone=profile.settings.stream_zone, hashed=_hashed(profile)
    )
    arrived = [first]
    producer = live.producer(lambda: arrived[0])
    messages, put = sample.records(), 0
    for sent in messages:
        if sent.arrived_at >= now:
            # The first of those that are still to come.
            messages = chain([sent], messages)
            break
        if not has_begun:
            arrived[0] = sent.arrived_at
            producer.put(sent.key, sent.data)
            put += 1
    producer.flush()
    _watch_sample(live, sample.watched())
    print(f"{put:,} messages of {options.weeks} weeks were put into the stream {live.name}.", flush=True)
    if options.live:
        _go_on(messages, producer, arrived, profile.clock)
    producer.close()
    return 0


def _go_on(
    messages: Iterator[Sent], producer: Producer, arrived: list[datetime], clock: Callable[[], datetime]
) -> None:
    """Put messages at their time, until interrupted; a stream takes them when they are put."""
    from crime_assets.incidents.sample.pace import as_they_come

    stop, put = Event(), 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    print("From now on they are put as they come, until you press Ctrl-C.", flush=True)
    for due in as_they_come(messages, clock, stop.wait):
        for sent in due:
            arrived[0] = clock()
            producer.put(sent.key, sent.data)
        producer.flush()
        put += len(due)
    print(f"{put:,} messages came.")


def _demo(profile: Profile, options: Namespace) -> int:
    """All three steps, of a stream of its own if none is set."""
    if not profile.settings.stream:
        profile = type(profile)(replace(profile.settings, stream=_DEMO), profile.clock)
    live = LiveReports(profile)
    if not live.has_begun and live.store.read(keys.live(live.name, "epoch.json")) is None:
        _produce(profile, options)
    _run(profile, options)
    found = _alerts(live)
    for rule, number in Counter(alert["title"] for alert in found).most_common():
        print(f"{number:>6,}  {rule}")
    print("The newest of each kind:")
    for alert in {alert["title"]: alert for alert in found}.values():
        print(f"  {alert['title']}: {alert['subject']}, district {alert['district']}")
    print(f"On a page: CRIME_STREAM={live.name} make dashboard, then http://127.0.0.1:8500/live")
    return 0


def _alerts(live: LiveReports) -> list[dict[str, Any]]:
    from crime_assets.incidents.chain import ALERTS, Chain

    claim = json.loads(live.store.read(keys.live(live.name, "epoch.json")) or b"{}")
    chain = Chain(live.store, live.name, claim["epoch"], ALERTS)
    return [json.loads(line) for _, content in chain.after(0) for line in content.splitlines()]


def _run(profile: Profile, options: Namespace) -> int:
    live, warn = LiveReports(profile), partial(print, file=sys.stderr)
    with ExitStack() as ends:
        loop: Loop | SparkLoop
        if profile.settings.engine == "spark":
            loop = live.spark_loop(warn)
        else:
            loop = live.loop(ends.enter_context(closing(live.state())), warn, is_live=not options.until_ended)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: loop.stop())
        print(_told(loop.run(live.channels(), until_ended=options.until_ended)))
    return 0


def _status(profile: Profile, options: Namespace) -> int:
    live = LiveReports(profile)
    live.check_read_here()
    content = live.store.read(keys.live(live.name, "status.json"))
    if content is None:
        raise CrimeAssetsError(f"Nothing has read the stream {live.name} yet: start `crime-assets stream run`.")
    status = json.loads(content)
    watermark = status["watermark"]
    print(f"Written at {status['written_at']}, {status['lag_seconds']:.1f} s behind the newest report it has read.")
    if watermark:
        print(f"All that arrived before {datetime.fromtimestamp(watermark, UTC):%Y-%m-%d %H:%M:%S} UTC is known.")
    print(f"Since its start: {status['reports']:,} reports, {status['repeats']:,} repeats, {status['late']:,} late.")
    print(f"Alerts: {status['alerts']:,}, in {status['alerts_number']:,} objects since the stream began.")
    for reason, number in sorted(status["reasons"].items()):
        print(f"Quarantined, {reason}: {number:,}")
    return 0


def _watch(profile: Profile, options: Namespace) -> int:
    from crime_assets.incidents import watch_list
    from crime_assets.incidents.masking import plate_ref

    live, now = LiveReports(profile), profile.clock()
    _, listed = watch_list.read(live.store, live.name)
    if options.plate:
        if not any(map(str.isalnum, options.plate)):
            raise UsageError("That is no number plate: it has no letter and no digit.")
        ref = plate_ref(options.plate, _hashed(profile))
        # Whoever goes on with an entry misses nothing in between, nor what has arrived and was not read yet.
        begun = [one.begins for one in listed if one.ref == ref and one.ends > now]
        listed = [one for one in listed if one.ref != ref]
        if not options.remove:
            if not options.why:
                raise UsageError("Say why with --why: who reads the list asks what the vehicle is wanted for.")
            ends = _end_of(options.until, profile.settings.stream_zone) if options.until else now + _WATCHED_FOR
            begins = min([now + watch_list.BEGINS_AFTER, *begun])
            listed.append(watch_list.Watched(ref, begins, ends, options.why))
        watch_list.write(live.store, live.name, listed)
    for one in listed:
        print(f"{one.ref}  from {one.begins:%Y-%m-%d %H:%M} to {one.ends:%Y-%m-%d %H:%M} UTC  {one.why}")
    print(f"{len(listed)} vehicles are watched for.")
    return 0


def _watch_sample(live: LiveReports, watched: tuple[tuple[str, datetime, datetime], ...]) -> None:
    """The vehicles that the simulated reports name are watched for, beside those that are already."""
    from crime_assets.incidents import watch_list

    _, listed = watch_list.read(live.store, live.name)
    sample = [watch_list.Watched(*one, "simulated") for one in watched]
    refs = {one.ref for one in sample}
    watch_list.write(live.store, live.name, [*(one for one in listed if one.ref not in refs), *sample])


def _hashed(profile: Profile) -> Hasher:
    from crime_assets.governance.keys import hasher

    return hasher(profile.mask_key())


def _end_of(day: date, zone: str) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)


def _told(totals: Totals) -> str:
    return (
        f"{totals.records:,} messages in {totals.ticks:,} ticks: {totals.reports:,} reports, {totals.repeats:,} "
        f"repeats, {totals.late:,} late, {totals.quarantined:,} quarantined; {totals.alerts:,} alerts."
    )
