"""Common first and last names in the United States, for made questions."""

from collections.abc import Sequence

_LIST = """
Aaron Abigail Adam Adrian Aisha Alan Albert Alexis Alfred Alicia Allison Alma Amanda Amber Amy
Andrea Angel Anita Anna Anthony Antonio April Arthur Ashley Barbara Becky Benjamin Bernice Beth
Betty Beverly Billy Bobby Bonnie Bradley Brandon Brenda Brett Brian Brooke Bruce Bryan Caleb
Carlos Carmen Carol Cecil Chad Charles Cheryl Chris Cindy Clara Clifford Connie Craig Crystal
Curtis Cynthia Daisy Daniel Darlene David Dawn Deborah Dennis Derek Diana Donald Doris Dwight
Earl Eddie Edith Edward Elaine Eli Elizabeth Ellen Emily Eric Erika Ethan Eugene Evelyn Fiona
Florence Frances Franklin Gabriel Gail Gary George Gilbert Gina Gloria Gordon Grace Gregory Gus
Gwendolyn Hannah Harold Hazel Heather Hector Helen Henry Herbert Holly Howard Hugh Ian Ida Irene
Isaac Isabel Ivan Jack Jacob Jamal James Jane Jasmin Jeffrey Jennifer Jeremy Jesus Jill Joan
Jodi Joel Jonathan Jordan Josephine Joshua Joyce Juan Judith Julia Justin Karen Katherine Keith
Kelly Kenneth Kent Kevin Kim Kristen Kyle Larry Laura Lauren Lee Leo Leonard Leslie Linda Lisa
Lloyd Lois Lorenzo Louis Lucy Luis Luz Lynn Mabel Marcus Margaret Maria Marilyn Mark Martha
Marvin Mary Matthew Max Megan Melissa Meredith Michael Michelle Miguel Milton Mona Muhammad
Nancy Naomi Natalie Nathan Neil Nicholas Nicole Nina Noah Norma Oliver Olivia Omar Oscar Pablo
Pamela Patricia Patrick Paul Pedro Peggy Penny Perry Peter Philip Phyllis Rachel Ralph Ramon
Randall Raymond Rebecca Regina Renee Rhonda Ricardo Richard Rita Robert Rodney Roger Rosa Roxy
Ruben Ruth Ryan Salvador Samantha Samuel Sandra Sarah Scott Sean Seth Sharon Shirley Sidney
Sophia Stacy Stanley Stella Stephen Stuart Susan Sylvia Tamara Tanya Ted Teresa Theodore Thomas
Timothy Tina Todd Tracy Travis Troy Tyler Valerie Vanessa Vera Vernon Vicki Victor Vincent
Virginia Wade Walter Wanda Warren Wayne Wendy Wesley Whitney Wilfred William Willow Yolanda
Yvonne Zachary Zoe
Alvarez Anderson Bailey Baker Barnes Bell Bennett Brooks Brown Burke Butler Campbell Castillo
Chang Chavez Clark Coleman Collins Cook Cooper Cox Cruz Davis Diaz Edwards Evans Fisher Flores
Foster Fox Garcia Gomez Gonzalez Graham Gray Green Griffin Gutierrez Hall Hamilton Harris
Hayes Hernandez Hicks Hill Hoffman Hughes Hunt Jackson Jenkins Jimenez Johnson Jones Kennedy
King Knight Kowalski Lewis Lopez Marshall Martinez Mason McDonald Mendoza Mitchell Moore Morales
Morgan Murphy Murray Musk Myers Nelson Nguyen Novak Ortiz Owens Palmer Park Parker Patel Perez
Peterson Phillips Porter Powell Price Ramirez Reed Reyes Reynolds Rice Rivera Roberts Robinson
Rogers Ross Russell Sanders Schmidt Shaw Silva Simmons Smith Stevens Stewart Sullivan Taylor
Torres Tran Turner Vasquez Walker Ward Washington Watson Webb West White Williams Wilson Wong
Wood Wright Young
"""

NAMES = tuple(_LIST.split())


def listed(words: Sequence[str]) -> str:
    """Returns `A`, `A and B`, or `A, B, and C`."""
    if len(words) < 3:
        return " and ".join(words)
    return f"{', '.join(words[:-1])}, and {words[-1]}"
