"""Groups of commands."""

from __future__ import annotations

import click


class Commands(click.Group):
    """A group of commands that says what a mistyped one may mean."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from vstore_cli.near_commands import no_such_command  # few commands are mistyped

            raise no_such_command(ctx, args)
        return super().resolve_command(ctx, args)


class InOrder(Commands):
    """A group that lists its commands in the order in which they are written."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)
