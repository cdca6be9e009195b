import asyncio

from crossfade.api.appmesh import Mesh
from crossfade.status.change import News, ObjectChange
from crossfade.status.held_warnings import HeldWarnings
from crossfade_kube.meta import ObjectRef

REF = ObjectRef("appmesh.k8s.aws/v1beta2", "Mesh", "", "m", "u")
HOLD_S = 0.01
MISSED = News("ReconcileError", "unable to fetch virtualNode: prod/jazz")
WRONG = News("ReconcileError", "wrong")
GOOD = News("Connected", "its proxy is connected", is_warning=False)


def written(*news: News) -> ObjectChange:
    return ObjectChange(REF, Mesh.RESOURCE, "1", {"status": {}}, "status", news)


def only(*news: News) -> ObjectChange:
    return ObjectChange(REF, Mesh.RESOURCE, "", subresource="events", news=news)


class Told:
    def __init__(self) -> None:
        self.messages: list[str] = []
        self.held: HeldWarnings[str] = HeldWarnings(self._tell, hold_s=HOLD_S)

    def _tell(self, _change: ObjectChange, news: News) -> None:
        self.messages.append(news.message)

    async def in_the_end(self) -> list[str]:
        """Timers of one loop run in the order of their times."""
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(2 * HOLD_S, done.set_result, None)
        await done
        return self.messages


async def test_a_warning_is_told_when_it_has_held_for_a_moment() -> None:
    told = Told()
    told.held.note("m", written(MISSED))
    assert told.messages == []
    assert await told.in_the_end() == [MISSED.message]


async def test_what_the_next_object_mends_is_not_told() -> None:
    told = Told()
    told.held.note("m", written(MISSED))
    told.held.note("m", written())
    assert await told.in_the_end() == []


async def test_a_written_status_holds_although_nothing_is_decided_any_more() -> None:
    told = Told()
    told.held.note("m", written(MISSED))
    assert told.held.withdraw_all_but(()) == []
    assert await told.in_the_end() == [MISSED.message]


async def test_news_that_are_decided_no_more_are_withdrawn() -> None:
    told = Told()
    told.held.note("m", only(MISSED))
    assert told.held.withdraw_all_but(()) == ["m"]
    assert await told.in_the_end() == []


async def test_news_that_are_decided_again_of_a_newer_object_keep_their_time() -> None:
    told = Told()
    told.held.note("m", only(MISSED))
    newer = only(MISSED)
    told.held.still("m", newer)
    assert told.held.withdraw_all_but({id(newer)}) == []
    assert await told.in_the_end() == [MISSED.message]


async def test_other_news_take_the_place_of_what_is_held() -> None:
    told = Told()
    told.held.note("m", written(MISSED))
    told.held.note("m", written(WRONG))
    assert await told.in_the_end() == [WRONG.message]


async def test_good_news_wait_for_nothing() -> None:
    told = Told()
    told.held.note("m", written(GOOD, MISSED))
    assert told.messages == [GOOD.message]
    assert await told.in_the_end() == [GOOD.message, MISSED.message]
