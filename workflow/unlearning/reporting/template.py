"""What the pages of all kinds of experiment have in common."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import jinja2

from unlearning.reporting.charts import page_spec, script
from unlearning.reporting.claims import Verdict
from unlearning.reporting.claims_view import counts, groups
from unlearning.reporting.cost import Cost
from unlearning.reporting.embed import content_policy, inline_script, json_block

# every page includes parts of its folder `page`
SHARED = Path(__file__).resolve().parents[3] / "reports"


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

    template: of a benchmark's folder. What it includes lies in `page` beside it or in reports/.
    missing: files that should be there. panels: figure -> its panels. more_scripts: of such a
    `page`. content: what else the template names.
    """
    loader = jinja2.FileSystemLoader([template.parent, SHARED])
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = [*(["figures.js"] if panels else []), "table.js", *more_scripts]
    sources = [loader.get_source(environment, f"page/{name}")[0] for name in names]
    scripts = [inline_script(source) for source in ([script(), *sources] if panels else sources)]
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
