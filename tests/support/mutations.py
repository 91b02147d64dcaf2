"""Mutations of the modules that guard: each takes one comparison out, and names the test file that must see it."""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """One change of the source.

    name:   what it does.
    file:   below `store/vstore`.
    old:    the text that it replaces; it stands there once.
    new:    the text in its place.
    test:   the test file that must fail, below `tests`, and perhaps a part of the names of its tests (`-k`).
    """

    name: str
    file: str
    old: str
    new: str
    test: str
    only: str = ""


DATA, DISKS, WEEK = "store/test_guarded_data.py", "store/test_disks.py", "store/test_week.py"
KNOWN = "store/test_acquaintance.py"
POOL = "store/test_pool.py"
OWNER, CATALOGUE, CACHES = "store/test_owner.py", "store/test_catalogue.py", "store/test_user_cache.py"
PROOFS, TURN, AGAIN = "store/test_row_proofs.py", "store/test_turn.py", "store/test_read_again.py"
LINKAGE, ALIKE, BURSTS = "store/test_linkage.py", "store/test_dupes.py", "store/test_bursts.py"
DECIDED, BEST = "store/test_decided.py", "store/test_keep_best.py"
SELECTION, DEVICE = "store/test_row_selection.py", "models/test_on_device.py"
LISTS, KEPT = "store/test_approximate_parts.py", "store/test_index_kept_up.py"
GUARDS, ROOTS, EMPTY = "store/test_sync_guards.py", "store/test_undo_roots.py", "cli/test_empty_arguments.py"

LINKS = "store/test_plan_links.py"
MOVES, PLANS = "store/test_plan_moves.py", "store/test_plans.py"
PREVIEWS = "store/test_previews.py"

MUTATIONS = [
    # What gc rewrites, and what it leaves
    Mutation("gc rewrites unverified", "gc/rewrite.py", "    segment.verify()\n", "", DATA, "rotten"),
    Mutation("gc: half", "gc/plan.py", "2 * len(live) < len(keys)", "2 * len(live) <= len(keys)", DATA, "rewrites"),
    Mutation(
        "gc: half a pack",
        "gc/plan.py",
        "2 * sum(live.values()) < sum(sizes",
        "2 * sum(live.values()) <= sum(sizes",
        DATA,
        "merges",
    ),
    Mutation("gc: young", "gc/plan.py", "footer.time > since", "footer.time >= since", DATA, "young"),
    Mutation(
        "gc: missing",
        "gc/plan.py",
        "    missing = used - taken\n",
        "    missing = set()\n",
        DATA,
        "stops",
    ),
    # Blobs, records, locations
    Mutation("digest of a blob", "disk/packs.py", " or self._hash.digest(blob) != digest", "", DATA, "blob"),
    Mutation("chain of records", "disk/oplog.py", "earlier.digest != record.before", "False", DATA, "follows"),
    Mutation(
        "location of a key",
        "intake/stored_keys.py",
        "elif self._repo.segment(self._refs[ordinal]).key(row) == key:",
        "elif True:",
        DATA,
        "location",
    ),
    Mutation(
        "location in no segment",
        "intake/stored_keys.py",
        "                if key in self._run:\n",
        "                if True:\n",
        "store/test_same_pixels.py",
        "forged_catalogue",
    ),
    Mutation(
        "location of a row",
        "intake/stored_keys.py",
        "if self._repo.segment(ref).key(location[1]) == key:",
        "if True:",
        DATA,
        "location",
    ),
    # forget
    Mutation("forget: within", "versions/policy.py", "reached > start", "reached >= start", DATA, "within"),
    # Rows of believed segments
    Mutation("a filter on a GPU", "row_selection.py", "if kind not in OBEDIENT:", "if False:", SELECTION, "gpu"),
    Mutation(
        "filters of a device", "search/on_device.py", "if block.without is not None:", "if False:", DEVICE, "lacks"
    ),
    Mutation(
        "a little less near",
        "search/on_device.py",
        "(floor(scores[:, k - 1], off) - off)",
        "scores[:, k - 1]",
        DEVICE,
        "finds",
    ),
    Mutation("a device: norms", "search/on_device.py", "if not placed.is_sound:", "if False:", DEVICE, "no_number"),
    Mutation("a device unproved", "search/on_device.py", "        index.prove(found.rows)\n", "", DEVICE, "rots"),
    Mutation(
        "a device of floats cut short", "search/on_device.py", 'one.fp32_precision = "ieee"', "pass", DEVICE, "full"
    ),
    Mutation("hits unproved", "search/index.py", "            self.prove(rows)\n", "", PROOFS, "never_scored"),
    Mutation(
        "many unproved", "search/many.py", "    index.prove(rows)\n", "", "store/test_search_many.py", "rots_later"
    ),
    Mutation(
        "paths of others",
        "disk/written.py",
        "return read_cache_object(cache, WRITTEN).get(name) == _stat(cache, name)",
        "return True",
        "store/test_key_paths.py",
        "this_disk",
    ),
    Mutation(
        "cut at between", "where/expression.py", "if not between:", "if True:", "store/test_kept_columns.py", "joins_it"
    ),
    Mutation(
        "codes past values",
        "where/kept.py",
        "if codes.max(initial=0) >= values:",
        "if False:",
        "store/test_kept_columns.py",
        "is_none",
    ),
    Mutation(
        "other rows",
        "search/numbers.py",
        "if index.are_marked(rows):",
        "if True:",
        "store/test_kept_columns.py",
        "other_pictures",
    ),
    Mutation("query unproved", "search/views.py", "        self.prove(segment, [row])\n", "", PROOFS, "query"),
    Mutation("false rows fit", "search/row_proofs.py", "return any(", "return False and any(", PROOFS, "never_scored"),
    Mutation("blocks unproved", "search/row_proofs.py", "if checksum(data) != ", "if not ", PROOFS, "this_process"),
    Mutation(
        "foreign sums", "disk/row_sums.py", " and file.pread(_SUM, _SUM).hex() == ref.check", "", PROOFS, "whole_again"
    ),
    Mutation("short sums", "disk/row_sums.py", "file.size == _HEAD + ref.rows * _SUM and ", "", PROOFS, "whole_again"),
    Mutation("no sums", "search/views.py", " and has_row_sums(self._cache, segment.ref)", "", PROOFS, "whole_again"),
    Mutation(
        "search believes on",
        "search/views.py",
        "        disbelieve(self._cache, segment.ref.name)\n",
        "",
        PROOFS,
        "no_more",
    ),
    Mutation("view stays", "search/views.py", "        _whole.discard(segment)\n", "", PROOFS, "no_more"),
    Mutation(
        "false sums stay", "search/row_proofs.py", "        if there:\n", "        if False:\n", PROOFS, "no_damage"
    ),
    # Rows that are read again in turn
    Mutation("turn: share", "sync/read_again.py", "took * SHARE", "1e9", AGAIN, "share"),
    Mutation("turn: stop", "sync/read_again.py", "self._stop() or ", "", AGAIN, "interrupted"),
    Mutation("turn: due", "sync/read_again.py", "most * ref.rows / ref.size - _ROUNDING", "1e9", AGAIN, "little"),
    Mutation(
        "turn: rot fits",
        "sync/read_again.py",
        "(ref, first, upto) else 0",
        "(ref, first, upto) or 1 else 0",
        AGAIN,
        "hides",
    ),
    Mutation(
        "turn: believes on",
        "sync/read_again.py",
        "            disbelieve(cache, name)\n",
        "            pass\n",
        AGAIN,
        "hides",
    ),
    Mutation("turn: future", "disk/turn.py", "latest if latest <= now else 0", "latest", TURN, "comes_back"),
    Mutation("turn: check", "disk/turn.py", "max(at, whole.get(ref.name, 0))", "at", AGAIN, "full_check"),
    Mutation("turn: rate", "sync/read_again.py", "- rate * max(0, one.at + CYCLE - now)", "", TURN, "even_rate"),
    Mutation(
        "gc: row sums",
        "gc/unlisted.py",
        "name.startswith(ROW_SUMS) and ",
        "name.startswith(ROW_SUMS) and 0 and ",
        AGAIN,
        "gc",
    ),
    # One repository for each call
    Mutation("pool: shares", "repository/pool.py", "self._idle.pop()", "self._idle[-1]", POOL, "two_calls"),
    Mutation("pool: the first", "repository/pool.py", "self._first.beside()", "self._first", POOL, "two_calls"),
    # What the catalogue and a snapshot agree on
    Mutation("degraded agrees", "sync/memory.py", "parent.degraded or ", "", DATA, "agrees"),
    Mutation("another space agrees", "sync/memory.py", " or parent.space != self._space)", ")", DATA, "agrees"),
    Mutation("incomplete agrees", "sync/memory.py", "good and complete and", "good and", DATA, "missed"),
    Mutation("doubts", "sync/memory.py", " and label not in survey.doubts", "", DATA, "missed"),
    Mutation("nameable: degraded", "sync/decision.py", " or parent.degraded", "", DATA, "counted"),
    Mutation("nameable: space", "sync/decision.py", " or parent.space != space", "", DATA, "counted"),
    Mutation("nameable: written", "sync/decision.py", "base.written is not None or ", "", DATA, "counted"),
    # The guard: the old shares
    Mutation(
        "guard: 30 %", "sync/guards.py", "len(lost) > LOSS_PERCENT", "len(lost) >= LOSS_PERCENT", GUARDS, "thirty"
    ),
    Mutation(
        "guard: 20",
        "sync/guards.py",
        "    if len(lost) <= LOSS_COUNT:\n        return 0",
        "    if len(lost) < LOSS_COUNT:\n        return 0",
        GUARDS,
        "lets_pass",
    ),
    Mutation("guard: 20 on a disk", "sync/losses.py", "count > least", "count >= least", DISKS, "twenty"),
    Mutation("guard: named elsewhere", "sync/losses.py", "named[old] <= 0 and ", "", GUARDS, "another_path"),
    Mutation(
        "guard: hidden",
        "sync/losses.py",
        " and not survey.hides(path):\n            lost.setd",
        ":\n            lost.setd",
        GUARDS,
        "exclude",
    ),
    Mutation("guard: still there", "sync/losses.py", "if not self._exists(p)}", "}", DISKS, "still_there"),
    # The guard: disks
    Mutation(
        "disk: mounted now",
        "sync/disks.py",
        "if now is not None and now.mounted:",
        "if False:",
        DISKS,
        "may_lack",
    ),
    Mutation(
        "disk: mounted before",
        "sync/disks.py",
        "if earlier is not None and earlier.mounted:",
        "if False:",
        DISKS,
        "may_lack",
    ),
    Mutation("disk: same inode", "sync/disks.py", " or earlier.inode == now.inode", "", DISKS, "may_lack"),
    Mutation("disk: other pictures", "sync/disks.py", "or not is_empty ", "", DISKS, "may_lack"),
    Mutation("disk: forgotten", "sync/disks.py", "or path not in full)", "or True)", DISKS, "remembered"),
    Mutation("disk: not noted", "sync/memory.py", "            or spots\n", "", DISKS, "older_program"),
    Mutation(
        "disk: part of it stays",
        "sync/losses.py",
        "if changed[folder] == count_under(tree, folder)",
        "",
        DISKS,
        "part",
    ),
    # The guard: a week
    Mutation("week: half", "sync/guards.py", "len(lost) > WEEK_PERCENT", "len(lost) >= WEEK_PERCENT", WEEK, "seven"),
    Mutation("week: seven days", "sync/week.py", " or snapshot.time < since", "", WEEK, "more_than_a_week"),
    Mutation("week: afresh", "sync/week.py", "int(snapshot.name[1:]) < first or ", "", WEEK, "afresh"),
    Mutation("week: forgotten", "sync/week.py", "if snapshot.kept:", "if True:", WEEK, "forgotten"),
    Mutation("week: the fullest", "sync/week.py", "if count > most:", "if True:", WEEK, "fullest"),
    Mutation(
        "week: renamed",
        "sync/losses.py",
        "if named[key] <= 0 and key not in lost",
        "if key not in lost",
        WEEK,
        "renames",
    ),
    Mutation("week: hidden", "sync/losses.py", " and not self._survey.hides(path) and", " and", WEEK, "hid"),
    Mutation(
        "week: edited", "sync/week.py", "            gone.pop(path, None)\n", "            pass\n", WEEK, "comparison"
    ),
    # Undo, and empty arguments
    Mutation(
        "undo: a place that is gone",
        "format/undo_roots.py",
        "and is_gone(Root.from_json(label, was))",
        "and False",
        ROOTS,
        "place",
    ),
    Mutation(
        "undo: holds an absorbed one",
        "format/undo_roots.py",
        "for label in labels & kept:",
        "for label in ():",
        ROOTS,
        "holds",
    ),
    Mutation(
        "moves: a newer operation",
        "versions/moves.py",
        "if newest is not None and newest != repo.tip.number:",
        "if False:",
        "store/test_moves.py",
        "no_longer",
    ),
    Mutation("an empty path", "paths.py", "    if not name:\n", "    if False:\n", EMPTY, "program"),
    Mutation("an empty model", "embed/model_words.py", 'options.get(name) == ""', "False", EMPTY, "model"),
    # Whose store it is
    Mutation(
        "owner: a lock",
        "repository/repository.py",
        "        refuse_foreign(self.layout, self.user)\n",
        "",
        OWNER,
        "refused",
    ),
    Mutation("owner: repair", "repair/run.py", "    confirm()\n", "", OWNER, "repair"),
    Mutation(
        "owner: a new store",
        "repository/create.py",
        "        refuse_foreign(layout, user)\n",
        "        pass\n",
        OWNER,
        "made",
    ),
    Mutation(
        "owner: sudo is root's", "disk/owner.py", "if held is not None and me == ROOT:", "if held:", OWNER, "trusted"
    ),
    Mutation(
        "owner: inner folders",
        "disk/owner.py",
        "if found not in mine and found not in (owner, ROOT):",
        "if False:",
        OWNER,
        "decides",
    ),
    Mutation(
        "owner: disks without",
        "disk/owner.py",
        "if held is None or not _keeps_owners(found.st_dev):",
        "if held is None:",
        OWNER,
        "without_owners",
    ),
    Mutation(
        "owner: trust in another",
        "disk/trusted.py",
        "store.file, _LONGEST) == store.to_bytes()",
        "store.file, _LONGEST) > b''",
        "store/test_trusted.py",
        "one_folder",
    ),
    Mutation(
        "owner: caches in the store",
        "repository/ownership.py",
        "    if top is None:\n",
        "    return None\n    if top is None:\n",
        OWNER,
        "own",
    ),
    Mutation(
        "owner: caches of a copy",
        "repository/ownership.py",
        " {store_id} {found.folder}",
        " {store_id}",
        OWNER,
        "another",
    ),
    Mutation("owner: caches of others", "disk/user_cache.py", " and not found.st_mode & 0o077", "", CACHES, "others"),
    Mutation(
        "owner: pages unseen",
        "disk/catalogue.py",
        "or place is not Place.OWN or foreign",
        "or place is not Place.OWN",
        CATALOGUE,
        "another_user",
    ),
    Mutation(
        "owner: the lock of LMDB",
        "disk/catalogue.py",
        "(not foreign and os.access(folder, os.W_OK))",
        "os.access(folder, os.W_OK)",
        CATALOGUE,
        "another_user",
    ),
    Mutation(
        "owner: a catalogue as one's own",
        "repository/objects.py",
        "self.layout.caches is not None",
        "False",
        OWNER,
        "refused",
    ),
    # Folders of a store's choosing
    Mutation(
        "known: all", "repository/acquaintance.py", "        if unknown:\n", "        if False:\n", KNOWN, "spelling"
    ),
    Mutation(
        "known: by its name",
        "repository/acquaintance.py",
        "stays_below(self._base, place)",
        "is_below(place, self._base)",
        KNOWN,
        "spelling",
    ),
    Mutation(
        "known: one that its user named elsewhere",
        "disk/named_places.py",
        "[self.store, self.label, path_to_json(self.place)]",
        "[self.label, path_to_json(self.place)]",
        KNOWN,
        "another_store",
    ),
    Mutation(
        "known: another label",
        "disk/named_places.py",
        "[self.store, self.label, path_to_json(self.place)]",
        "[self.store, path_to_json(self.place)]",
        KNOWN,
        "another_label",
    ),
    Mutation(
        "known: where it led",
        "repository/acquaintance.py",
        "lambda: os.path.realpath(place))",
        "lambda: place)",
        KNOWN,
        "link_that_takes",
    ),
    Mutation(
        "links: above the folder",
        "pictures/links.py",
        "            if not _is_below(at, folder):\n                return False\n            continue",
        "            continue",
        KNOWN,
        "spelling",
    ),
    Mutation(
        "links: absolute",
        "pictures/links.py",
        "            if not _is_below(target, folder):\n                return False\n",
        "",
        KNOWN,
        "spelling",
    ),
    Mutation(
        "links: circles",
        "pictures/links.py",
        "        if links > _MOST:\n            return False\n",
        "        if links > 999:\n            return True\n",
        KNOWN,
        "loop",
    ),
    Mutation(
        "links: of pictures",
        "pictures/listing.py",
        "            self._leads_out = at\n",
        "            return True\n",
        KNOWN,
        "elsewhere",
    ),
    Mutation(
        "links: of folders, as the store says",
        "intake/targets.py",
        "            or not folders.is_below(root)\n",
        "            or True\n",
        KNOWN,
        "elsewhere",
    ),
    Mutation(
        "links: of ignore files",
        "pictures/rules.py",
        "        if self._fence is not None:\n            self._fence.follow",
        "        if False:\n            self._fence.follow",
        KNOWN,
        "ignore",
    ),
    Mutation(
        "links: of aliases",
        "repository/acquaintance.py",
        "stays_below(base, file) or self.may_lead_out(root)",
        "True",
        KNOWN,
        "alias_through",
    ),
    Mutation(
        "lines of ignore files",
        "pictures/rules.py",
        "not (is_strange and is_absolute(line))",
        "True",
        KNOWN,
        "lines_of",
    ),
    Mutation("met: any file", "repository/on_this_disk.py", "2 * same >= len(outside)", "True", KNOWN, "proof"),
    Mutation("met: none", "repository/on_this_disk.py", "same > 0 and ", "", KNOWN, "never_met"),
    Mutation(
        "met: beside the store",
        "repository/on_this_disk.py",
        "if not stays_below(repo.base, one[0])",
        "if True",
        KNOWN,
        "met_beside",
    ),
    Mutation(
        "met: by another user",
        "repository/on_this_disk.py",
        "    if not _is_ours(repo):\n        return False\n",
        "",
        KNOWN,
        "another_user",
    ),
    Mutation(
        "met: changed files",
        "repository/on_this_disk.py",
        " == pack_row(*file[1:])",
        "[:16] == pack_row(*file[1:])[:16]",
        KNOWN,
        "know_the_pictures",
    ),
    Mutation(
        "a resumed import",
        "importing/run.py",
        "            KnownFolders(repo).require([known])\n",
        "",
        KNOWN,
        "goes_on",
    ),
    Mutation(
        "a part that is gone",
        "intake/targets.py",
        "            self._folders.require([root])  # what its writer may have meant is looked for\n",
        "            pass\n",
        KNOWN,
        "part_that",
    ),
    # Groups of look-alikes
    Mutation(
        "a chain",
        "search/linkage.py",
        "if a != b and groups.may_join(a, b):",
        "if a != b:",
        LINKAGE,
    ),
    Mutation(
        "a chain of one", "search/linkage.py", "return of_b is None or a in self._reached[b]", "return True", LINKAGE
    ),
    Mutation(
        "ties of edges",
        "search/linkage.py",
        "np.lexsort((self.other, self.one, -self.score))",
        "np.argsort(-self.score, kind='stable')",
        LINKAGE,
    ),
    Mutation(
        "kept apart in a star",
        "search/linkage.py",
        "                inside += pictures\n",
        "                pass\n",
        LINKAGE,
    ),
    Mutation("nodes below the score", "search/pairs.py", "max(FOLDED, lowest)", "FOLDED", ALIKE, "threshold_can"),
    Mutation(
        "a burst", "search/bursts.py", "other.taken - one.taken <= _APART", "other.taken - one.taken < _APART", BURSTS
    ),
    # What was decided, and the best file
    Mutation(
        "decided: the oldest",
        "search/decided.py",
        "news = both & ~seen[at]",
        "news = both & ~(1 << at)",
        DECIDED,
        "each_pair",
    ),
    Mutation("decided: copies", "search/decided.py", " and newest.kept == newest.keys", "", DECIDED, "each_pair"),
    Mutation(
        "shown: all", "search/decided.py", "if verdict.whole and not self._all:", "if False:", DECIDED, "left_out"
    ),
    Mutation(
        "decided again",
        "decide/news.py",
        " or any(not later[other] for other in held.overriding(one))",
        "",
        "store/test_decide_pictures.py",
        "again",
    ),
    Mutation("best: what is unknown", "search/keep_best.py", "len(known) < len(paths) or ", "", BEST, "not_known"),
    Mutation("best: over", "search/keep_best.py", "decided.get(keys[path], 0) == rank", "rank == 0", BEST, "decided"),
    # Files that plans move
    Mutation(
        "moved: bytes unread",
        "plans/proof.py",
        "digest != key or found is None",
        "found is None",
        MOVES,
        "changed",
    ),
    Mutation(
        "moved: changed since", "plans/mover.py", "now is None or seen(now) != seen(found)", "False", MOVES, "read"
    ),
    Mutation("moved: nothing stays", "plans/mover.py", "            standing(going.keepers)\n", "", MOVES, "kept_file"),
    Mutation(
        "moved: itself stays",
        "plans/mover.py",
        "(one.st_dev, one.st_ino) == (found.st_dev, found.st_ino)",
        "False",
        MOVES,
        "stays",
    ),
    Mutation(
        "moved: itself elsewhere",
        "plans/mover.py",
        "if any(moment(one) == moment(found)",
        "if any(False",
        MOVES,
        "mount",
    ),
    Mutation("moved: replaced", "disk/moving.py", "_NOREPLACE = 1", "_NOREPLACE = 0", MOVES, "moment"),
    Mutation(
        "moved: along a link",
        "plans/way.py",
        "_STEP = os.O_DIRECTORY | os.O_NOFOLLOW",
        "_STEP = os.O_DIRECTORY",
        MOVES,
        "link",
    ),
    Mutation(
        "moved: unflushed",
        "plans/trash_folder.py",
        "            durable.disk.fsync(self._file)\n\n    def _append",
        "            pass\n\n    def _append",
        MOVES,
        "flushed",
    ),
    Mutation(
        "restored: out of the folder",
        "plans/way.py",
        'any(name in (b"", b".", b"..") for name in names)',
        "False",
        MOVES,
        "forged",
    ),
    Mutation(
        "lost: for one that is gone",
        "sync/losses.py",
        "if there.isdisjoint(kept.get(key, ()))",
        "if not kept.get(key)",
        PLANS,
        "still",
    ),
    Mutation("linked: last name", "plans/mover.py", " and found.st_nlink > 1", "", LINKS, "last_name"),
    Mutation("linked: another file", "plans/mover.py", " and found.st_ino == inode", "", LINKS, "no_such_link"),
    Mutation(
        "linked: other bytes back",
        "plans/mover.py",
        "                    refuse_unlike(open_file(to, name), open_file(folder, kept_as), LINK_CHANGED)\n",
        "",
        LINKS,
        "edit",
    ),
    Mutation(
        "linked: to what came", "plans/linker.py", "made is None or made.st_ino != kept.st_ino", "False", LINKS, "came"
    ),
    Mutation("sidecar: stays alone", "plans/apply.py", "        if stays:\n", "        if False:\n", PLANS, "sidecar"),
    Mutation(
        "sidecar: a picture goes for it",
        "plans/apply.py",
        "file.do == KEEP and not is_sidecar(file.path))",
        "file.do == KEEP)",
        PLANS,
        "no_picture_goes",
    ),
    Mutation("plan: keys swapped", "plans/apply.py", "stored = self._stored(alike)", "stored = {}", PLANS, "swapped"),
    Mutation("plan: for another picture", "plans/apply.py", "if not _are_different(", "if (", PLANS, "different"),
    Mutation(
        "plan: an unnamed folder",
        "plans/places.py",
        "if not self._known.is_known(root):",
        "if False:",
        "store/test_acquaintance.py",
        "no_plan",
    ),
    Mutation(
        "moved: lost at a power cut",
        "plans/trash_folder.py",
        'for below in (self.below, TRASH, b""):',
        "for below in ():",
        MOVES,
        "power_cut",
    ),
    Mutation(
        "moved: noted on another disk", "plans/way.py", "if found.st_dev != device:", "if False:", MOVES, "another_disk"
    ),
    # Approximate indexes
    Mutation(
        "lists of no segment",
        "approximate/about.py",
        "is_whole and 0 < about.rows < 1 << 40",
        "is_whole and about.rows < 1 << 40",
        LISTS,
        "no_segment_beside",
    ),
    Mutation(
        "lists beyond the file",
        "approximate/lists.py",
        "if int(self.sizes.sum()) != about.rows:",
        "if False:",
        LISTS,
        "lists_beyond",
    ),
    Mutation(
        "lists of fewer segments",
        "approximate/lists.py",
        " or (rows is not None and about.rows != sum(rows))",
        "",
        LISTS,
        "head_that_lies",
    ),
    Mutation(
        "gc: codes go with their lists",
        "gc/run.py",
        "if plan.freed_segments and writes == Writes():",
        "if False:",
        KEPT,
        "gc",
    ),
    # What is shown
    Mutation(
        "a kept preview is shown whatever became of its file",
        "gallery/thumbnails.py",
        "if known is not None and known.stat == found:",
        "if known is not None:",
        PREVIEWS,
        "kept_is_not_shown",
    ),
    Mutation(
        "another picture is shown for a key",
        "gallery/thumbnails.py",
        "if digest is None or digest(data) != key:",
        "if digest is None:",
        PREVIEWS,
        "kept_is_not_shown",
    ),
]
