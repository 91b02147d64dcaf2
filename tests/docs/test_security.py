"""SECURITY.md: each row of who might attack has tests that show what holds."""

from __future__ import annotations

from pathlib import Path

from support.tables import Tables

TOP = Path(__file__).parents[2]
HEAD = "## Who might attack, and what holds"
SHOWN = {
    "gives you a store": [
        "tests/store/test_consent.py::test_the_model_of_a_store_is_not_touched_until_it_is_allowed_here",
        "tests/store/test_acquaintance.py::test_another_place_is_refused_with_the_command_that_names_it",
        "tests/cli/test_links.py::test_no_command_leaves_the_store",
        "tests/cli/test_configuration.py::test_no_file_in_or_beside_a_store_is_read",
        "tests/cli/test_completion.py::test_a_shell_completes_at_tab",
        "tests/store/test_longest.py::test_a_record_of_a_terabyte_is_damage",
        "tests/store/test_forged_stores.py::test_a_forged_store_is_refused_or_answered",
    ],
    "gives you a picture": [
        "tests/faults/test_hostile_pictures.py::",
        "tests/store/test_longest.py::test_a_picture_of_a_terabyte_is_not_read_to_search_with_it",
        "tests/store/test_deep_tiff.py::test_more_samples_than_memory_are_a_bomb",
    ],
    "makes two pictures with one hash on purpose": [
        "tests/store/test_collisions.py::test_of_two_pictures_with_one_hash_the_second_gets_the_vector_of_the_first",
        "tests/store/test_plan_moves.py::test_a_file_of_the_same_key_and_other_bytes_is_not_moved",
    ],
    "gives you a model or an adapter": [
        "tests/store/test_consent.py::test_code_is_allowed_by_its_own_option_alone",
        "tests/store/test_consent.py::test_a_configuration_that_fetches_compiled_code_is_refused",
    ],
    "gives you a plan (`dupes --apply`), or a folder with a `.vstore-trash` in it (`dupes --restore`)": [
        "tests/store/test_plans.py::test_a_row_that_fits_nothing_is_refused_alone",
        "tests/store/test_plans.py::test_nothing_is_moved_out_of_the_store",
        "tests/store/test_plan_moves.py::test_only_plain_files_are_moved",
        "tests/store/test_plan_moves.py::test_no_path_leads_out_of_the_folder",
        "tests/store/test_plan_moves.py::test_a_forged_record_moves_nothing_from_elsewhere_and_nothing_out",
        "tests/store/test_plan_moves.py::test_a_place_that_is_taken_is_not_replaced",
        "tests/store/test_plan_links.py::test_a_forged_record_takes_no_name_from_other_bytes",
    ],
    "gives you an expression for `--where`": [
        "tests/store/test_where_expression.py::test_what_is_no_expression_is_refused_in_words",
        "tests/store/test_where_expression.py::test_the_engine_refuses_by_itself_what_no_expression_holds",
        "tests/store/test_where_expression.py::test_an_expression_that_takes_too_long_is_ended",
        "tests/store/test_where_expression.py::test_no_text_grows_without_end",
    ],
    "gives you an index to import": ["tests/faults/test_fuzz_imports.py::", "tests/store/test_import.py::"],
    "makes a web site that you visit while `vstore serve` runs": [
        "tests/page/test_guards.py::test_another_host_is_refused_before_anything_is_looked_at",
        "tests/page/test_guards.py::test_what_another_site_puts_into_its_page_is_refused",
        "tests/page/test_guards.py::test_a_change_has_to_come_from_the_page_itself",
        "tests/page/test_guards.py::test_what_a_form_can_send_is_refused",
        "tests/page/test_entering.py::test_a_web_site_sees_nothing_of_the_page",
    ],
    "has another account on this machine": [
        "tests/page/test_guards.py::test_nothing_is_shown_without_the_cookie",
        "tests/page/test_guards.py::test_the_token_in_the_command_line_of_a_browser_is_good_for_one_use",
        "tests/page/test_guards.py::test_a_cookie_is_of_no_use_to_another_account",
        "tests/page/test_guards.py::test_what_a_command_line_shows_lets_no_other_account_in",
        "tests/page/test_accounts.py::test_another_account_is_told",
        "tests/store/test_owner.py::test_a_store_is_refused_to_who_writes_and_read_as_it_is",
        "tests/store/test_served.py::",
    ],
    "can write into the store while you use it": [
        "tests/store/test_inside.py::test_a_folder_on_the_way_that_is_none_is_damage",
    ],
}


def test_each_row_of_who_might_attack_has_tests() -> None:
    rows = Tables((TOP / "SECURITY.md").read_text(encoding="utf-8"), {"who": HEAD}).table("who")
    assert [row["somebody who"] for row in rows] == list(SHOWN)
    for tests in SHOWN.values():
        for one in tests:
            file, _, name = one.partition("::")
            assert f"\ndef {name or 'test_'}" in (TOP / file).read_text(encoding="utf-8"), one
