"""The steps of the mill. Modules here wire Beam; `transforms.text` decides, `transforms.formats` opens files."""
