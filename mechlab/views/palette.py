"""The colours of every picture and page, light and dark: one list, checked for contrast, safe for colour-blind eyes."""

from mechlab.core.config import Config


class Palette(Config):
    """Colours by role. Blue and orange carry opposite signs; shape or underline always says the same again."""

    name: str
    paper: str
    panel: str
    ink: str
    muted: str
    line: str
    blue: str
    orange: str
    heat: str
    heat_most: float

    def css(self) -> str:
        """Return the colours as CSS custom properties."""
        fields = self.model_dump(exclude={"name"})
        return "".join(f"--{role.replace('_', '-')}:{colour};" for role, colour in fields.items())


LIGHT = Palette(
    name="light",
    paper="#fcfbf8",
    panel="#f4f2ec",
    ink="#1d1f22",
    muted="#5b6067",
    line="#dcd9d0",
    blue="#0b5c9e",
    orange="#ad4a00",
    heat="#f0a31c",
    heat_most=0.85,
)
DARK = Palette(
    name="dark",
    paper="#15171a",
    panel="#1d2024",
    ink="#e6e3dc",
    muted="#a0a5ac",
    line="#33373d",
    blue="#7fbaf2",
    orange="#f0a066",
    heat="#b86a00",
    heat_most=0.72,
)
THEMES = (LIGHT, DARK)
