
a¢	
userpª
	assistantcÿ