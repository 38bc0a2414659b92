"""vertebro: percutaneous bone-cement injection under imaging, simulated. Education and research only."""

__version__ = "0.1.0"
