
a¢	
userpª
	assistantc