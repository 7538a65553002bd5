"""What the pages of all kinds of experiment have in common."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import jinja2

from unlearning.reporting.charts import page_spec, script
from unlearning.reporting.claims import Verdict
from unlearning.reporting.claims_view import counts, groups
from unlearning.reporting.cost import Cost
from unlearning.reporting.embed import content_policy, inline_script, json_block


def fill(
    template: Path,
    verdicts: list[Verdict],
    costs: list[Cost],
    *,
    missing: Iterable[Path],
    panels: dict[str, list] | None = None,
    more_scripts: Sequence[str] = (),
    **content,
) -> str:
    """The page from its template, self-contained.

    missing: files that should be there. panels: figure -> its panels. more_scripts: of the folder
    `page` beside the template. content: what else the template names.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = [*(["figures.js"] if panels else []), "table.js", *more_scripts]
    own = [(template.parent / "page" / name).read_text(encoding="utf-8") for name in names]
    scripts = [inline_script(source) for source in ([script(), *own] if panels else own)]
    specs = {
        f"{name}-{place}": page_spec(panel)
        for name, shown in (panels or {}).items()
        for place, panel in enumerate(shown)
    }
    return environment.get_template(template.name).render(
        policy=content_policy(scripts),
        scripts=scripts,
        specs=json_block(specs),
        panels=panels or {},
        claims=groups(verdicts),
        counts=counts(verdicts),
        costs=costs,
        missing=[str(path) for path in missing],
        **content,
    )
